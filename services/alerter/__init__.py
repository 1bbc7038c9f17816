"""The alerter: alert rules over the pair statistics, from `pairs:` to `alerts`.

Each rule fires once an excursion, resolves when it is over, and a restart neither repeats an alert nor loses one.
"""
