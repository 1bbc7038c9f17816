"""The seam of the middle services: a pure step, run by `shared.runtime`.

A step reads no clock, awaits nothing and logs nothing; the same inputs give the same outputs. What it remembers is a
function of the checkpoints it was restored from and the messages it was given since.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from shared.messages import Message, StepInput
from shared.topics import Channel


class Output(NamedTuple):
    """What a step answers; messages and checkpoints are committed together or not at all."""

    messages: Sequence[Message] = ()
    """To be published, in this order."""
    checkpoints: Mapping[str, str] = {}
    """Part → JSON text from which `Step.restore` can go on; the empty string drops the part."""
    dropped: Sequence[Channel] = ()
    """Streams of this step that are deleted together with the commit of the checkpoints."""
    unfinished: bool = False
    """There is more to answer to what was given already: call `on_messages` again, with an empty batch, before reading on."""


class Step(Protocol):
    """A middle service without its I/O."""

    def restore(self, checkpoints: Mapping[str, str]) -> None:
        """Go on from what was committed last. Called once, before anything else."""

    def wants(self) -> Mapping[Channel, str]:
        """The streams to read, each with the entry id after which to begin (``0`` = from its oldest entry).

        The id counts only when the stream is first read or was dropped in between.
        """

    def on_messages(self, batch: Sequence[StepInput]) -> Output:
        """Take the next inputs: tables first, then entries in stream order, then the watermarks they reach up to."""

    def on_clock(self, now_ms: int) -> Output:
        """Take the time, wall clock in ms UTC, about once a second: for housekeeping, never for published values."""
