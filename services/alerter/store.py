"""The rules and the alerts as they lie in Redis."""

from collections.abc import Sequence
from typing import Any

from services.alerter.engine import valid_rules
from services.alerter.rules import Rule, StoredRule
from shared.bus import Bus
from shared.codec import decode
from shared.errors import Unavailable
from shared.intervals import interval_ms
from shared.topics import ALERTS, Channel

_TABLE = "rules"


class RuleStore:
    """The table `rules` of the namespace that is followed. Every method raises `Unavailable` when Redis is away."""

    def __init__(self, intervals: Sequence[str]) -> None:
        """`intervals`: the configured ones."""
        self.intervals = intervals
        self._bus: Bus | None = None

    def move(self, bus: Bus) -> None:
        """Work in this bus's namespace from now on."""
        self._bus = bus

    @property
    def bus(self) -> Bus:
        if self._bus is None:
            raise Unavailable("the ingestor has not said yet what it runs on")
        return self._bus

    async def refresh(self, configured: Sequence[StoredRule]) -> list[str]:
        """Make the table hold the configured rules, of file or default, and no others of that origin.

        Rules made or changed over HTTP stay; answers the names of those that stand in place of configured ones.
        """
        rows = valid_rules(await self.bus.table(_TABLE))
        kept = {name for name, rule in rows.items() if rule.origin == "http"}
        for rule in configured:
            if rule.name not in kept:
                await self.bus.set_row(_TABLE, rule.name, rule.model_dump_json())
        for name in rows.keys() - kept - {rule.name for rule in configured}:
            await self.bus.delete_row(_TABLE, name)
        return sorted(kept & {rule.name for rule in configured})

    async def rules(self) -> dict[str, StoredRule]:
        """Name → rule, sorted."""
        return dict(sorted(valid_rules(await self.bus.table(_TABLE)).items()))

    async def create(self, rule: Rule) -> StoredRule | None:
        """The new rule, which judges later rows only; ``None`` if there is one of that name."""
        stored = StoredRule(**rule.model_dump(), origin="http", since_ms=await self._newest_ms(rule))
        new = await self.bus.set_row(_TABLE, stored.name, stored.model_dump_json(), only_new=True)
        return stored if new else None

    async def replace(self, rule: Rule) -> StoredRule | None:
        """The rule in place of the one of its name; ``None`` if there is none.

        It goes on where that one stood, unless it is about other streams or was disabled: then it judges later rows only.
        """
        old = (await self.rules()).get(rule.name)
        if old is None:
            return None
        same = old.enabled and (old.pair, old.interval) == (rule.pair, rule.interval)
        since_ms = old.since_ms if same else await self._newest_ms(rule)
        stored = StoredRule(**rule.model_dump(), origin="http", since_ms=since_ms)
        await self.bus.set_row(_TABLE, stored.name, stored.model_dump_json())
        return stored

    async def delete(self, name: str) -> bool:
        """Whether there was one."""
        return await self.bus.delete_row(_TABLE, name)

    async def _newest_ms(self, rule: Rule) -> int:
        """Close time of the newest bar among the streams that the rule is about; 0 if they are empty."""
        newest_ms = 0
        for channel in rule.channels(await self.bus.table("pairs"), self.intervals):
            last_id = await self.bus.last_id(channel)
            if last_id is not None:
                newest_ms = max(newest_ms, int(last_id.partition("-")[0]) + interval_ms(channel.parameters[0]))
        return newest_ms

    async def alerts(self, limit: int) -> list[dict[str, Any]]:
        """The latest alerts, newest first, each with the id of its entry."""
        channel = Channel(ALERTS.name)
        found = await self.bus.entries(channel, count=limit, newest_first=True)
        return [{"id": entry_id, **decode(channel, entry_id, fields)._asdict()} for entry_id, fields in found]
