"""The three kinds of failure, one branch each.

    PairstreamError
    ├── BadInput          outside data that cannot be used: counted and declared, work goes on
    ├── SettingsError     a setting that cannot be used: the start stops and says which
    └── Unavailable       the world is away (Redis, exchange): retried with backoff at the edge
        └── Doubt         what this process remembers may not be what Redis holds: forget, reload, go on
            ├── Fenced    another holder has taken the lease
            └── Stale     the stored state is not the one that was loaded

A bug is none of these: it ends the process, which is restarted and recovers from its checkpoint.
"""


class PairstreamError(Exception):
    """The root of every error that the product raises on purpose."""


class BadInput(PairstreamError, ValueError):
    """Data from outside that cannot be used; the text says what is wrong and what would be right.

    A `ValueError`, so that pydantic reports it with the field it belongs to.
    """

    http_status = 422


class SettingsError(PairstreamError):
    """A setting that cannot be used; the text names the variable, its value and what is allowed."""


class Unavailable(PairstreamError):
    """Redis or the exchange does not answer; the operation may be tried again."""


class Doubt(Unavailable):
    """Memory and Redis may differ: drop the memory and load again."""


class Fenced(Doubt):
    """The lease's epoch has moved on: another process holds it."""


class Stale(Doubt):
    """The token in Redis is not the one this process wrote: Redis lost its tail, or a commit was applied twice."""
