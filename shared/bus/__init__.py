"""The way to Redis, and the only one: nothing outside this package imports redis.

Two kinds of connection. `Bus` wraps redis-py for everything rare. `Connection` is a bare RESP connection for ticks and for
blocking reads, where redis-py's own packing and per-reply coroutines cost ten times what the socket does.
"""

from shared.bus.client import Bus, SourceRecord, open_bus
from shared.bus.lease import Lease
from shared.bus.reader import StreamReader
from shared.bus.tick_writer import TickWriter

__all__ = ["Bus", "Lease", "SourceRecord", "StreamReader", "TickWriter", "open_bus"]
