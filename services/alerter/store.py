"""The rules and the alerts as they lie in Redis."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.alerter.engine import valid_rules
from services.alerter.rules import Rule, StoredRule
from shared.bus import Bus
from shared.errors import Unavailable
from shared.intervals import interval_ms
from shared.topics import ALERTS, Channel

_TABLE = "rules"


class RuleStore:
    """The table `rules` of the namespace that is followed. Every method raises `Unavailable` when Redis is away."""

    def __init__(self, intervals: Sequence[str], configured: Sequence[StoredRule] = ()) -> None:
        """`intervals`: the configured ones. `configured`: the rules of file or default."""
        self.intervals = intervals
        self._configured = {rule.name: rule for rule in configured}
        self._deleted: set[tuple[str, str]] = set()
        """Namespace and name of the configured rules that were deleted over HTTP since the start."""
        self._bus: Bus | None = None

    def move(self, bus: Bus) -> None:
        """Work in this bus's namespace from now on."""
        self._bus = bus

    @property
    def bus(self) -> Bus:
        if self._bus is None:
            raise Unavailable("the ingestor has not said yet what it runs on")
        return self._bus

    async def refresh(self) -> list[str]:
        """Make the table hold the configured rules, of file or default, and no others of that origin.

        Rules made or changed over HTTP stay; answers the names of those that stand in place of configured ones.
        """
        bus = self.bus
        rows = valid_rules(await bus.table(_TABLE))
        kept = {name for name, rule in rows.items() if rule.origin == "http"}
        for name, rule in self._configured.items():
            if name not in kept and not self._is_deleted(bus, name):
                await bus.set_row(_TABLE, name, rule.model_dump_json())
        for name in rows.keys() - kept - self._configured.keys():
            await bus.delete_row(_TABLE, name)
        return sorted(kept & self._configured.keys())

    async def keep_configured(self) -> list[str]:
        """Write the configured rules that Redis has lost, but for those deleted over HTTP since the start; answers which."""
        bus = self.bus
        there = await bus.table(_TABLE)
        lost = [name for name in self._configured if name not in there and not self._is_deleted(bus, name)]
        # only_new: one that was made over HTTP in the meantime stays
        return [name for name in lost if await bus.set_row(_TABLE, name, self._configured[name].model_dump_json(), only_new=True)]

    def _is_deleted(self, bus: Bus, name: str) -> bool:
        return (bus.keyspace.namespace, name) in self._deleted

    async def rules(self) -> dict[str, StoredRule]:
        """Name → rule, sorted."""
        return dict(sorted(valid_rules(await self.bus.table(_TABLE)).items()))

    async def create(self, rule: Rule) -> StoredRule | None:
        """The new rule, which judges later rows only; ``None`` if there is one of that name."""
        stored = StoredRule(**rule.model_dump(), origin="http", **_since(await self._newest_ms(rule)))
        new = await self.bus.set_row(_TABLE, stored.name, stored.model_dump_json(), only_new=True)
        if new:
            self._deleted.discard((self.bus.keyspace.namespace, rule.name))
        return stored if new else None

    async def replace(self, rule: Rule) -> StoredRule | None:
        """The rule in place of the one of its name; ``None`` if there is none.

        It goes on where that one stood, unless it is about other streams or was disabled: then it judges later rows only.
        """
        old = (await self.rules()).get(rule.name)
        if old is None:
            return None
        same = old.enabled and (old.pair, old.interval) == (rule.pair, rule.interval)
        since = old.model_dump(include=set(_since({}))) if same else _since(await self._newest_ms(rule))
        stored = StoredRule(**rule.model_dump(), origin="http", **since)
        await self.bus.set_row(_TABLE, stored.name, stored.model_dump_json())
        return stored

    async def delete(self, name: str) -> bool:
        """Whether there was one. A configured one is not written again before the next start."""
        bus = self.bus
        if name in self._configured:
            self._deleted.add((bus.keyspace.namespace, name))
        return await bus.delete_row(_TABLE, name)

    async def _newest_ms(self, rule: Rule) -> dict[str, int]:
        """Per interval, close time of the newest bar among the streams that the rule is about; without those that are empty."""
        newest_ms: dict[str, int] = {}
        for channel in rule.channels(await self.bus.table("pairs"), self.intervals):
            last_id = await self.bus.last_id(channel)
            if last_id is not None:
                interval = channel.parameters[0]
                close_ms = int(last_id.partition("-")[0]) + interval_ms(interval)
                newest_ms[interval] = max(newest_ms.get(interval, 0), close_ms)
        return newest_ms

    async def alerts(self, limit: int) -> list[dict[str, Any]]:
        """The latest alerts, newest first, each with the id of its entry. Entries that are none are left out."""
        found = await self.bus.usable_entries(Channel(ALERTS.name), count=limit, newest_first=True)
        return [{"id": entry_id, **alert._asdict()} for entry_id, _, alert in found]


def _since(newest_ms: Mapping[str, int]) -> dict[str, Any]:
    """Fields of a rule that judges later bars only, given the newest close of each interval."""
    return {"since_ms": max(newest_ms.values(), default=0), "since_ms_by_interval": dict(newest_ms)}
