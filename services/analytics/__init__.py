"""The analytics turn `bars` into `pairs`: the statistics of each pair at every bar time that both legs have, once, in order.

A row is a function of the bars up to its own time alone; tests of cointegration run on demand and go to `tests`.
"""
