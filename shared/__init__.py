"""What at least two services need: the messages, the topic table, the step, and the shell around a step."""

__version__ = "0.1.0"
