"""The ingestor: chooses the source, and turns its trades into `ticks:`, one entry a trade, in order, without doubt about holes.

It alone writes `ticks:`, the followed symbols, the watermarks and `pairstream:source`; everybody else follows.
"""
