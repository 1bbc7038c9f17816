"""Alert rules: what one says, how it is read from TOML or JSON, and what it answers to a z-score. Pure."""

import re
import tomllib
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from shared.errors import BadInput
from shared.intervals import interval_ms
from shared.messages import AlertState
from shared.symbols import Pair
from shared.topics import PAIRS, Channel

ANY = "*"
_VARIANT = re.compile(r"[A-Za-z0-9_.-]{1,40}", re.ASCII)

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"

Threshold = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A number in the TOML or JSON; neither text nor true or false."""


class Rule(BaseModel):
    """A z-score threshold with hysteresis and cool-down, on one pair or all, at one interval or all.

    The watched value is the absolute z-score for side `both`, z for `above` and -z for `below`. The rule fires when it is
    `enter` or more, and resolves, which arms it again, when it is `exit` or less. Between two firings at least `cooldown_s`
    of bar time pass.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME_PATTERN, description="1 to 64 letters, digits, _ . or -")
    kind: Literal["zscore"] = Field("zscore", description="zscore")
    pair: str = Field(ANY, description="Y~X, Y~X@VARIANT, or * for every configured pair")
    interval: str = Field(ANY, description="one of the configured intervals, or * for all of them")
    enter: Threshold = Field(
        gt=0, le=1000, description="the rule fires at this |z-score| or beyond; above 0, at most 1000, above exit"
    )
    exit: Threshold = Field(ge=0, description="it resolves and is armed again at this |z-score| or less; 0 or more, below enter")
    cooldown_s: Threshold = Field(60.0, ge=0, le=31_536_000, description="least bar time between two firings, in seconds")
    enabled: bool = Field(True, description="true or false")
    side: Literal["both", "above", "below"] = Field("both", description="both, above or below")

    @field_validator("pair")
    @classmethod
    def _pair(cls, value: str) -> str:
        if value == ANY:
            return value
        pair, at, variant = value.partition("@")
        if at and _VARIANT.fullmatch(variant) is None:
            raise BadInput(f"{variant!r} is no variant of a pair")
        return f"{Pair.parse(pair)}{at}{variant}"

    @field_validator("interval")
    @classmethod
    def _interval(cls, value: str) -> str:
        if value != ANY:
            interval_ms(value)
        return value

    @model_validator(mode="after")
    def _thresholds(self) -> "Rule":
        if self.exit >= self.enter:
            raise BadInput(f"exit ({self.exit:g}) must be below enter ({self.enter:g})")
        return self

    def channels(self, pairs: Iterable[str], intervals: Iterable[str]) -> list[Channel]:
        """The streams of `pairs` (rows of the table, variants included) and `intervals` that the rule is about.

        A variant is meant only by a rule that names it.
        """
        meant = [pair for pair in pairs if ("@" not in pair if self.pair == ANY else pair == self.pair)]
        return [
            Channel(PAIRS.name, (interval, pair)) for pair in meant for interval in intervals if self.interval in (ANY, interval)
        ]


class RuleChange(Rule):
    """A rule whose name stands in the path; in the body it may be left out."""

    name: str | None = Field(None, description="may be left out; the name in the path if not")  # type: ignore[assignment]


class StoredRule(Rule):
    """A row of the table `rules`."""

    origin: Literal["file", "default", "http"] = Field(description="where the rule comes from")
    since_ms: int = Field(0, ge=0, description="bars that closed up to here were there before the rule and are not judged")
    since_ms_by_interval: dict[str, int] = Field(
        {}, description="the same for intervals that had statistics then; since_ms is for the others"
    )

    def judges_after_ms(self, interval: str) -> int:
        """Close time of the newest bar of this interval that is not judged.

        A 5m bar that the end of a source has closed early must not keep the rule from the 1s bars before its close time.
        """
        return self.since_ms_by_interval.get(interval, self.since_ms)


def evaluate(rule: Rule, *, fired: bool, fired_ms: int | None, zscore: float, close_ms: int) -> AlertState | None:
    """What the rule answers to a z-score at the bar that closes at `close_ms`: ``fired``, ``resolved`` or nothing.

    `fired`: whether it has fired and not resolved. `fired_ms`: close time of the bar at which it fired last.
    """
    watched = abs(zscore) if rule.side == "both" else zscore if rule.side == "above" else -zscore
    if fired:
        return "resolved" if watched <= rule.exit else None
    cooling = fired_ms is not None and close_ms - fired_ms < rule.cooldown_s * 1000
    return "fired" if watched >= rule.enter and not cooling else None


def mistakes(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """What is wrong with each field, one plain line each, with what is allowed."""
    return [mistake(dict(detail), model) for detail in error.errors()]


def mistake(detail: dict[str, Any], model: type[BaseModel]) -> str:
    """One of pydantic's error details as a plain line."""
    reason = str(detail.get("ctx", {}).get("error") or detail["msg"])
    name = ".".join(map(str, detail["loc"]))
    if not name:
        return reason
    field = model.model_fields.get(name)
    if field is None:
        return f"{name}: there is no such field; there are {', '.join(model.model_fields)}"
    if detail["type"] == "missing":
        return f"{name}: is missing. Allowed: {field.description}"
    return f"{name} = {detail['input']!r}: {reason}. Allowed: {field.description}"


def parse_rules(text: str, intervals: Sequence[str]) -> list[Rule]:
    """The rules of a TOML file, one table ``[[rule]]`` each, for these configured intervals.

    Raises `BadInput` with every mistake: rule, field and what is allowed, one line each.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"no TOML: {error}") from None
    wrong = [f"{name}: unknown; write each rule as a table [[rule]]" for name in document if name != "rule"]
    tables = document.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise BadInput("rule: write each rule as a table [[rule]], with two brackets")
    rules: dict[str, Rule] = {}
    for number, table in enumerate(tables, 1):
        where = f"rule {number} ({table.get('name', 'without a name')})"
        try:
            rule = Rule.model_validate(table)
            check_interval(rule, intervals)
        except ValidationError as error:
            wrong += [f"{where}: {line}" for line in mistakes(error, Rule)]
        except BadInput as error:
            wrong.append(f"{where}: {error}")
        else:
            if rule.name in rules:
                wrong.append(f"{where}: name: two rules have it; each needs its own")
            rules[rule.name] = rule
    if wrong:
        raise BadInput("\n".join(wrong))
    return list(rules.values())


def check_interval(rule: Rule, intervals: Sequence[str]) -> None:
    """Raises `BadInput` for a rule at an interval that is not configured, which would never fire."""
    if rule.interval != ANY and rule.interval not in intervals:
        raise BadInput(f"interval = {rule.interval!r}: not configured. Allowed: {', '.join(intervals)} or *")
