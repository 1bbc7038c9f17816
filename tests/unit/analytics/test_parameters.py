"""Names of variants, and rows of the table."""

import csv
import io

import pytest

from services.analytics import csv_text
from services.analytics.parameters import canonical, configured, parse_name, parse_rows, variant_name
from services.analytics.settings import AnalyticsSettings
from shared.errors import BadInput
from shared.symbols import Pair


def given(**values: object) -> AnalyticsSettings:
    return AnalyticsSettings(_env_file=None, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({}, ""),
        ({"window": 600}, "w600"),
        ({"z_window": 60}, "z60"),
        ({"window": 600, "z_window": 600}, "w600"),
        ({"fit": "lagged", "price": "log", "intercept": True}, ""),
        ({"fit": "inclusive"}, "inclusive"),
        (
            {"window": 600, "z_window": 100, "fit": "inclusive", "price": "raw", "intercept": False},
            "w600-z100-inclusive-raw-noint",
        ),
    ],
)
def test_a_variant_is_named_for_what_differs(asked: dict[str, object], name: str) -> None:
    parameters = configured(given(), "variant").model_copy(update=asked)
    assert variant_name(parameters, given()) == name
    assert parse_name(f"Y~X@{name}" if name else "Y~X") == (Pair("Y", "X"), name)


def test_what_is_configured_gives_no_name() -> None:
    settings = given(window=600, fit="inclusive", price="raw", intercept=False)
    same = configured(settings, "variant").model_copy(update={"window": 600, "z_window": 600})
    assert variant_name(same, settings) == ""
    assert canonical(same, settings).window is None
    other = same.model_copy(update={"window": 50, "fit": "lagged", "price": "log", "intercept": True})
    assert variant_name(other, settings) == "w50-z600-lagged-log-int"


def test_windows_at_an_interval() -> None:
    parameters = configured(given(), "settings")
    assert parameters.model(120)[:2] == (120, 120)
    assert parameters.model_copy(update={"z_window": 20}).model(120)[:2] == (120, 20)
    assert parameters.model_copy(update={"window": 50}).model(120)[:2] == (50, 50)


@pytest.mark.parametrize("name", ["", "Y", "Y~X~Z", "Y~Y", "Y~X@", "Y~X@W600", "Y~X@a b", "Y~X@" + "w" * 61, "Y:1~X"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(BadInput):
        parse_name(name)


def test_rows_are_read_as_they_are_written() -> None:
    parameters = configured(given(), "settings")
    assert parse_rows({"Y~X": parameters.model_dump_json(), "y~x": parameters.model_dump_json(), "A~B": "[]"}) == {
        "Y~X": parameters
    }


def test_csv_is_read_back_and_holds_no_formula() -> None:
    dangerous = ["=1+1", "+1", "-1+cmd", "@SUM(A1)", "\t=1", "a,b", 'say "x"', "-0.5", "1e5", ""]
    text = csv_text.header("open_time_ms", [str(n) for n in range(10)]) + csv_text.lines([(1_721_347_201_005, dangerous)])

    rows = list(csv.reader(io.StringIO(text, newline="")))

    assert rows[0][:2] == ["time", "open_time_ms"]
    assert rows[1][:2] == ["2024-07-19T00:00:01.005Z", "1721347201005"]
    assert rows[1][2:] == ["'=1+1", "'+1", "'-1+cmd", "'@SUM(A1)", "'\t=1", "a,b", 'say "x"', "-0.5", "1e5", ""]
