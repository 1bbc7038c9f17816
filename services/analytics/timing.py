"""The time that a step takes, measured from outside, for a step itself reads no clock."""

from collections.abc import Mapping, Sequence

from prometheus_client import Counter, Histogram

from shared.messages import StepInput
from shared.step import Output, Step
from shared.topics import Channel


class Timed:
    """A step, with its time and its messages counted."""

    def __init__(self, step: Step, seconds: Histogram, messages: Counter) -> None:
        self._step = step
        self._seconds = seconds
        self._messages = messages

    def restore(self, checkpoints: Mapping[str, str]) -> None:
        self._step.restore(checkpoints)

    def wants(self) -> Mapping[Channel, str]:
        return self._step.wants()

    def on_messages(self, batch: Sequence[StepInput]) -> Output:
        with self._seconds.time():
            output = self._step.on_messages(batch)
        self._messages.inc(len(output.messages))
        return output

    def on_clock(self, now_ms: int) -> Output:
        return self._step.on_clock(now_ms)
