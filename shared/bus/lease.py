"""Exactly once for a step: a lease with an epoch, and a commit that publishes and checkpoints in one script.

The commit is refused as FENCED when another holder has taken the lease (its epoch is higher), and as STALE when the
random token in the stored state is not the one loaded: then Redis has lost its tail, or a commit whose reply was lost has
been applied after all. Either way the holder forgets what it remembers and loads again.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from redis.exceptions import ResponseError

from shared.bus.client import APPEND_ENTRY, Bus, translated
from shared.errors import Fenced, Stale
from shared.messages import Message
from shared.topics import Channel

TTL_MS = 3_000
_PART = "at:"

_ACQUIRE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return redis.call('HINCRBY', KEYS[2], 'epoch', 1)
"""

_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""

# KEYS: the state, the streams of the entries, the streams to delete.
# ARGV: epoch, loaded token, new token, number of streams to delete, number of entries;
#   per entry: its stream's index in KEYS, ms, sequence, cutoff, number of strings, strings;
#   then part and text in turn. The first write is an HSET, so that a full Redis refuses the script as a whole.
_COMMIT = (
    APPEND_ENTRY
    + """
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return redis.error_reply('FENCED') end
if (redis.call('HGET', KEYS[1], 'token') or '') ~= ARGV[2] then return redis.error_reply('STALE') end
redis.call('HSET', KEYS[1], 'token', ARGV[3])
for i = #KEYS - tonumber(ARGV[4]) + 1, #KEYS do redis.call('UNLINK', KEYS[i]) end
local at, refused = 6, 0
for _ = 1, tonumber(ARGV[5]) do
  local n = tonumber(ARGV[at + 4])
  local fields = {unpack(ARGV, at + 5, at + 4 + n)}
  if not append(KEYS[tonumber(ARGV[at])], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], fields) then refused = refused + 1 end
  at = at + 5 + n
end
while at < #ARGV do
  if ARGV[at + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[at])
  else
    redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
  end
  at = at + 2
end
return refused
"""
)


class Lease:
    """The right of one process to be a service for one partition, and its stored state."""

    def __init__(self, bus: Bus, service: str, partition: int) -> None:
        self._bus = bus
        self._holder = secrets.token_hex(8)
        self._lease_key = bus.keyspace.partitioned(f"lease:{service}", partition)
        self._state_key = bus.keyspace.partitioned(f"state:{service}", partition)
        self._epoch = ""
        self._token = ""
        self._acquire = bus.client.register_script(_ACQUIRE)
        self._renew = bus.client.register_script(_RENEW)
        self._release = bus.client.register_script(_RELEASE)
        self._commit = bus.client.register_script(_COMMIT)

    async def acquire(self) -> bool:
        """Try to become the holder; ``False`` while somebody else is. Raises `Unavailable`."""
        with translated():
            epoch = await self._acquire(keys=[self._lease_key, self._state_key], args=[self._holder, TTL_MS])
        self._epoch = str(epoch)
        return bool(epoch)

    async def load(self) -> dict[str, str]:
        """The checkpoints as committed last: part → text. Raises `Unavailable`."""
        with translated():
            state = cast(dict[str, str], await self._bus.client.hgetall(self._state_key))
        self._token = state.get("token", "")
        return {name[len(_PART) :]: text for name, text in state.items() if name.startswith(_PART)}

    async def renew(self) -> None:
        """Stay the holder; to be called more often than every 3 s. Raises `Fenced` or `Unavailable`."""
        with translated():
            held = await self._renew(keys=[self._lease_key], args=[self._holder, TTL_MS])
        if not held:
            raise Fenced("the lease has run out or another process holds it")

    async def release(self) -> None:
        """Let another process begin at once. Raises `Unavailable`."""
        with translated():
            await self._release(keys=[self._lease_key], args=[self._holder])

    async def commit(self, messages: Iterable[Message], checkpoints: Mapping[str, str], dropped: Sequence[Channel] = ()) -> int:
        """Delete the `dropped` streams, publish and checkpoint, all or nothing; answers how many messages were already there.

        Raises `Fenced`, `Stale` or `Unavailable`; after any of these the caller must load again.
        """
        keys = [self._state_key]
        index: dict[str, int] = {}
        entries: list[Any] = []
        count = 0
        for message in messages:
            raw = self._bus.entry(message)
            if raw.key not in index:
                keys.append(raw.key)
                index[raw.key] = len(keys)
            entries += (index[raw.key], raw.ms, raw.sequence, self._bus.cutoff(raw.ms), len(raw.fields), *raw.fields)
            count += 1
        keys += [self._bus.keyspace.key(channel) for channel in dropped]
        token = secrets.token_hex(8)
        parts = [text for part, value in checkpoints.items() for text in (_PART + part, value)]
        with translated():
            try:
                refused = await self._commit(
                    keys=keys, args=[self._epoch, self._token, token, len(dropped), count, *entries, *parts]
                )
            except ResponseError as error:
                if "FENCED" in str(error):
                    raise Fenced("another process has taken the lease") from None
                if "STALE" in str(error):
                    raise Stale("the stored state is not the one loaded") from None
                raise
        self._token = token
        return int(refused)
