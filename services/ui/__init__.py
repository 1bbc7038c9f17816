"""The screen: follows the topics once a process and shows them to any number of browser sessions.

It computes no statistics and owns no data; what a page shows stands in the topics, digit for digit.
"""
