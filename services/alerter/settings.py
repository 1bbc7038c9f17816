"""The alerter's settings."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from services.alerter.rules import Rule, StoredRule, parse_rules
from shared.errors import BadInput, SettingsError
from shared.settings import PREFIX, Settings


class AlerterSettings(Settings):
    """The common settings and the file of rules."""

    rules_file: Path | None = Field(None, description="TOML file of alert rules; empty: one rule on |z| at Z_ENTER and Z_EXIT")

    @model_validator(mode="after")
    def _rules_file(self) -> Self:
        self.rules()
        return self

    def rules(self) -> list[StoredRule]:
        """The rules of the file; without one the rule ``zscore`` on every pair at every interval.

        Raises `SettingsError` with file, rule, field and what is allowed, one line a mistake.
        """
        if self.rules_file is None:
            rule = Rule(name="zscore", enter=self.z_enter, exit=self.z_exit)
            return [StoredRule(**rule.model_dump(), origin="default")]
        where = f"{PREFIX}RULES_FILE={self.rules_file}"
        try:
            rules = parse_rules(self.rules_file.read_text(encoding="utf-8"), self.intervals)
        except OSError as error:
            raise SettingsError(f"{where}: {error.strerror or error}; name a file that can be read") from None
        except BadInput as error:
            raise SettingsError("\n".join(f"{where}: {line}" for line in str(error).splitlines())) from None
        except UnicodeDecodeError:
            raise SettingsError(f"{where}: not in UTF-8; save it as UTF-8") from None
        return [StoredRule(**rule.model_dump(), origin="file") for rule in rules]
