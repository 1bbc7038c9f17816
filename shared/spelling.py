"""Variables that look like settings and are none: a misspelt name would otherwise have no effect and no mention."""

import difflib
import os
from collections.abc import Iterable

from dotenv import dotenv_values

from shared.settings import ENV_FILE, PREFIX, Settings

UNKNOWN = "there is no such setting"
"""The event of a service's log that tells of one."""
_OTHERS = ("REDIS_PASSWORD", "REDIS_PORT", "REQUIRE", "TEST_REDIS")
"""What docker-compose.yml and the tests read."""
_CLOSE = 0.8
"""How alike a misspelt name and the meant one are at least, where names that are no mistakes are among them."""
_ALIKE = 0.6


def names(kinds: Iterable[type[Settings]]) -> set[str]:
    """The variables that mean something, without the prefix."""
    found = {name.upper() for kind in kinds for name in kind.model_fields} | set(_OTHERS)
    return found | {f"{name}_FILE" for name in found}


def given() -> list[str]:
    """The variables with the prefix, in the environment and in ``.env``."""
    in_file = dotenv_values(ENV_FILE) if ENV_FILE.is_file() else {}
    return sorted({name.upper() for name in (*os.environ, *in_file) if name.upper().startswith(PREFIX)})


def unknown(kinds: Iterable[type[Settings]], variables: Iterable[str], *, all_kinds: bool) -> dict[str, str]:
    """Variable that is no setting → the nearest that is one, empty if none is near.

    Without `all_kinds`, `kinds` are those of one service, and what is no setting of its may be one of another's: only
    variables that nearly are one of its own are told.
    """
    known = names(kinds)
    found = {}
    for variable in variables:
        name = variable.removeprefix(PREFIX)
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), 1, _ALIKE if all_kinds else _CLOSE)
            if near or all_kinds:
                found[variable] = f"{PREFIX}{near[0]}" if near else ""
    return found
