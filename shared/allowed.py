"""What a setting may be, in words, from its declaration."""

import types
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo


def allowed(field: FieldInfo) -> str:
    """The values that a field takes, with both bounds where it has them, and what it is."""
    kind = _kind(field.annotation)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if kind in (int, float):
        return (
            f"{_numbers(kind, {name: value for rule in field.metadata for name, value in _bounds(rule)})} ({field.description})"
        )
    return field.description or ""


def _kind(annotation: Any) -> Any:
    """The type without ``None``."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next(kind for kind in get_args(annotation) if kind is not type(None))
    return annotation


def _bounds(rule: Any) -> list[tuple[str, Any]]:
    return [(name, getattr(rule, name)) for name in ("gt", "ge", "lt", "le") if getattr(rule, name, None) is not None]


def _numbers(kind: type, bounds: dict[str, Any]) -> str:
    """Bounds in words.

    >>> _numbers(int, {"ge": 10, "le": 100_000}), _numbers(int, {"ge": 0, "lt": 8}), _numbers(float, {"gt": 0, "le": 1})
    ('a whole number from 10 to 100000', 'a whole number from 0 to 7', 'a number above 0, at most 1')
    >>> _numbers(int, {"ge": 1}), _numbers(float, {"ge": 0}), _numbers(float, {})
    ('a whole number, 1 or more', 'a number, 0 or more', 'a number')
    """
    whole = "a whole number" if kind is int else "a number"
    low, above, high = bounds.get("ge"), bounds.get("gt"), bounds.get("le")
    if kind is int:
        low = above + 1 if above is not None else low
        high = bounds["lt"] - 1 if "lt" in bounds else high
        above = None
    if low is not None and high is not None:
        return f"{whole} from {low} to {high}"
    words = [f"{whole} above {above}" if above is not None else whole]
    words += [f"{low} or more"] if low is not None else []
    words += [f"at most {high}"] if high is not None else []
    words += [f"below {bounds['lt']}"] if "lt" in bounds and kind is float else []
    return ", ".join(words)
