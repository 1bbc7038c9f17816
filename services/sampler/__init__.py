"""The sampler turns `ticks` into `bars`: every bar of a symbol's grid exactly once, in order, never changed.

A bar is a function of the tick stream alone; the checkpoint and the bars are committed together.
"""
