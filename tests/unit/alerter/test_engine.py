"""The alert engine, row by row."""

from collections.abc import Sequence

from services.alerter.engine import AlertEngine
from shared.codec import encode
from shared.messages import Alert, Message, Table
from shared.topics import Channel
from tests.unit.alerter.rows import T0, pairs, row, rule_row, rules

PAIR = "ETHUSDT~BTCUSDT"


def engine(*tables: Table, intervals: Sequence[str] = ("1s", "1m")) -> AlertEngine:
    made = AlertEngine(intervals)
    made.on_messages(tables or [rules(rule_row()), pairs(PAIR)])
    return made


def raised(step: AlertEngine, zscores: Sequence[float | None], start: int = 0) -> list[tuple[int, str]]:
    """(row number, state) of the alerts for rows one second apart, each a batch of its own."""
    found = []
    for number, zscore in enumerate(zscores, start):
        found += [(number, alert.state) for alert in alerts(step.on_messages([row(T0 + number * 1000, zscore)]).messages)]
    return found


def alerts(messages: Sequence[Message]) -> list[Alert]:
    found = [message for message in messages if isinstance(message, Alert)]
    assert len(found) == len(messages)
    return found


def test_fires_once_an_excursion_and_again_only_after_it_resolved() -> None:
    zscores = [0.1, 1.99, 2.0, 2.5, 1.0, 2.5, 0.51, 0.5, 0.4, -2.0, -0.5, 3.0]
    assert raised(engine(), zscores) == [(2, "fired"), (7, "resolved"), (9, "fired"), (10, "resolved"), (11, "fired")]


def test_swing_to_the_other_side_without_coming_back_is_one_excursion() -> None:
    assert raised(engine(), [3.0, -3.0, 3.0, 0.2]) == [(0, "fired"), (3, "resolved")]


def test_one_sided_rules_watch_their_side_and_resolve_on_the_other() -> None:
    above = engine(rules(rule_row(side="above")), pairs(PAIR))
    assert raised(above, [-5.0, 2.1, 0.6, -4.0, -4.0, 2.0]) == [(1, "fired"), (3, "resolved"), (5, "fired")]
    below = engine(rules(rule_row(side="below")), pairs(PAIR))
    assert raised(below, [5.0, -2.1, -0.6, 4.0, 4.0, -2.0]) == [(1, "fired"), (3, "resolved"), (5, "fired")]


def test_absent_zscore_changes_nothing() -> None:
    assert raised(engine(), [None, 2.5, None, 2.5, None, 0.1, None, 2.5]) == [(1, "fired"), (5, "resolved"), (7, "fired")]


def test_cool_down_counts_bar_time_from_the_last_firing() -> None:
    cooled = engine(rules(rule_row(cooldown_s=10)), pairs(PAIR))
    zscores = [2.5, 0.0, 2.5, 2.5, 2.5, 0.0, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5, 0.0]
    assert raised(cooled, zscores) == [(0, "fired"), (1, "resolved"), (10, "fired"), (12, "resolved")]


def test_cool_down_is_over_after_a_silence_of_the_source() -> None:
    cooled = engine(rules(rule_row(cooldown_s=10)), pairs(PAIR))
    assert raised(cooled, [2.5, 0.0]) == [(0, "fired"), (1, "resolved")]
    assert raised(cooled, [2.5], start=3600) == [(3600, "fired")]


def test_alert_explains_itself_with_every_number() -> None:
    step = engine(rules(rule_row(cooldown_s=5)), pairs(PAIR))
    step.on_messages([row(T0, 2.25), row(T0 + 1000, 0.25)])
    (alert,) = alerts(step.on_messages([row(T0 + 9000, -2.75)]).messages)
    assert alert == Alert(
        rule="zscore",
        kind="zscore",
        pair=PAIR,
        interval="1s",
        state="fired",
        value=-2.75,
        threshold=2.0,
        bar_ms=T0 + 9000,
        explain={
            "zscore": -2.75,
            "spread": 0.004,
            "spread_mean": 0.001,
            "spread_std": 0.0015,
            "hedge_ratio": 0.8125,
            "intercept": -0.75,
            "r_squared": 0.9,
            "correlation": 0.66,
            "y": 3421.55,
            "x": 64100.1,
            "window_bars": 300,
            "coverage": 0.9875,
            "status": "ok",
            "price": "log",
            "fit": "lagged",
            "bar_ms": T0 + 9000,
            "close_ms": T0 + 10_000,
            "previous_state": "armed",
            "last_fired_ms": T0 + 1000,
            "rule": {
                "name": "zscore",
                "kind": "zscore",
                "pair": "*",
                "interval": "*",
                "enter": 2.0,
                "exit": 0.5,
                "cooldown_s": 5.0,
                "side": "both",
                "origin": "file",
                "since_ms": 0,
            },
        },
    )
    assert "at_ms" not in encode(alert)


def test_resolved_names_the_exit_threshold_and_the_state_before() -> None:
    (_, resolved) = alerts(engine().on_messages([row(T0, 2.5), row(T0 + 1000, -0.25)]).messages)
    assert (resolved.state, resolved.value, resolved.threshold) == ("resolved", -0.25, 0.5)
    assert resolved.explain["previous_state"] == "fired"


def test_streams_are_configured_pairs_times_intervals_that_a_rule_is_about() -> None:
    other = "SOLUSDT~BTCUSDT"
    step = engine(rules(rule_row(pair=PAIR, interval="1s"), rule_row("wide", interval="1m")), pairs(PAIR, other))
    assert step.wants() == {
        Channel("pairs", ("1s", PAIR)): "0",
        Channel("pairs", ("1m", PAIR)): "0",
        Channel("pairs", ("1m", other)): "0",
    }


def test_nothing_is_read_for_pairs_or_intervals_that_are_not_configured_and_disabled_rules() -> None:
    assert not engine(rules(rule_row(pair="A~B")), pairs(PAIR)).wants()
    assert not engine(rules(rule_row(interval="1h")), pairs(PAIR)).wants()
    assert not engine(rules(rule_row(enabled=False)), pairs(PAIR)).wants()
    assert not engine(rules(), pairs(PAIR)).wants()


def test_variants_are_watched_only_by_a_rule_that_names_one() -> None:
    variant = f"{PAIR}@w600"
    assert set(engine(rules(rule_row()), pairs(PAIR, variant), intervals=["1s"]).wants()) == {Channel("pairs", ("1s", PAIR))}
    named = engine(rules(rule_row(pair=variant)), pairs(PAIR, variant), intervals=["1s"])
    assert set(named.wants()) == {Channel("pairs", ("1s", variant))}
    (alert,) = alerts(named.on_messages([row(T0, 3.0, variant)]).messages)
    assert alert.pair == variant


def test_rows_of_a_batch_are_judged_by_close_time_then_width_then_pair() -> None:
    other = "SOLUSDT~BTCUSDT"
    step = engine(rules(rule_row("b"), rule_row("a")), pairs(PAIR, other))
    batch = [
        row(T0, 2.5, other, "1m"),
        row(T0 + 59_000, 2.5, other),
        row(T0 + 60_000, 0.0, other),
        row(T0, 2.5, PAIR, "1m"),
        row(T0 + 58_000, 2.5, PAIR),
    ]
    found = [(alert.interval, alert.pair, alert.rule, alert.state) for alert in alerts(step.on_messages(batch).messages)]
    assert found == [
        ("1s", PAIR, "a", "fired"),
        ("1s", PAIR, "b", "fired"),
        ("1s", other, "a", "fired"),
        ("1s", other, "b", "fired"),
        ("1m", PAIR, "a", "fired"),
        ("1m", PAIR, "b", "fired"),
        ("1m", other, "a", "fired"),
        ("1m", other, "b", "fired"),
        ("1s", other, "a", "resolved"),
        ("1s", other, "b", "resolved"),
    ]


def test_rule_made_later_judges_later_rows_only() -> None:
    step = engine(rules(rule_row(interval="1s")), pairs(PAIR))
    step.on_messages([row(T0 + second * 1000, 3.0) for second in range(60)])
    later = rule_row("later", since_ms=T0 + 60_000, origin="http", interval="1m")
    step.on_messages([rules(rule_row(interval="1s"), later)])
    assert step.wants()[Channel("pairs", ("1m", PAIR))] == f"{T0}-0"
    # were an older row read all the same, it would not be judged
    assert not step.on_messages([row(T0, 3.0, PAIR, "1m")]).messages
    assert [a.rule for a in alerts(step.on_messages([row(T0 + 60_000, 3.0, PAIR, "1m")]).messages)] == ["later"]


def test_rule_change_keeps_what_was_read_by_the_old_rules() -> None:
    """Without this a restart right after a change would judge the last seconds' rows by the new rules."""
    step = engine()
    assert not step.on_messages([row(T0, 1.5)]).checkpoints
    kept = step.on_messages([rules(rule_row(enter=1.0))]).checkpoints
    again = AlertEngine(["1s", "1m"])
    again.restore(kept)
    again.on_messages([rules(rule_row(enter=1.0)), pairs(PAIR)])
    assert again.wants()[Channel("pairs", ("1s", PAIR))] == f"{T0}-0"
    # the same table again is no change
    assert not step.on_messages([row(T0 + 1000, 0.9), rules(rule_row(enter=1.0))]).checkpoints


def test_removed_or_disabled_rule_begins_anew_when_it_is_back() -> None:
    for gone in (rules(), rules(rule_row(enabled=False))):
        step = engine()
        assert raised(step, [2.5]) == [(0, "fired")]
        step.on_messages([gone])
        step.on_messages([rules(rule_row())])
        assert raised(step, [2.5], start=1) == [(1, "fired")]


def test_changed_rule_goes_on_where_it_stood() -> None:
    step = engine()
    assert raised(step, [2.5]) == [(0, "fired")]
    step.on_messages([rules(rule_row(enter=3.0, exit=1.0))])
    assert raised(step, [3.5, 1.0], start=1) == [(2, "resolved")]


def test_rows_of_the_table_that_are_no_rules_are_left_out() -> None:
    step = engine(rules(rule_row(), ("bad", "{"), ("worse", "[]"), ("odd", rule_row("even")[1])), pairs(PAIR))
    assert {alert.rule for alert in alerts(step.on_messages([row(T0, 3.0)]).messages)} == {"zscore"}


def test_offsets_are_kept_now_and_then_without_alerts() -> None:
    step = engine()
    step.on_clock(1_000)
    assert not step.on_messages([row(T0, 0.0)]).checkpoints
    assert not step.on_clock(2_000).checkpoints
    assert set(step.on_clock(6_000).checkpoints) == {f"pairs:1s:{PAIR}"}
    assert not step.on_clock(12_000).checkpoints
    step.on_messages([row(T0 + 1000, 0.0)])
    assert step.on_clock(3_000).checkpoints, "a wall clock that was set back must not stop it"


def test_many_alerts_are_answered_in_parts_and_the_checkpoint_is_that_of_the_part() -> None:
    names = [f"rule{number}" for number in range(100)]
    tables = [rules(*(rule_row(name) for name in names)), pairs(PAIR)]
    step = engine(*tables, intervals=["1s"])
    zscores = [3.0, 0.0] * 10
    output = step.on_messages([row(T0 + number * 1000, zscore) for number, zscore in enumerate(zscores)])
    found, outputs = list(output.messages), 1
    while output.unfinished:
        again = AlertEngine(["1s"])
        again.restore(output.checkpoints)
        again.on_messages(tables)
        judged = max(alert.bar_ms for alert in alerts(found))
        assert again.wants() == {Channel("pairs", ("1s", PAIR)): f"{judged}-0"}
        output = step.on_messages([])
        found += output.messages
        outputs += 1
    assert outputs > 1
    expected = [(T0 + at * 1000, n, "resolved" if at % 2 else "fired") for at in range(20) for n in sorted(names)]
    assert [(alert.bar_ms, alert.rule, alert.state) for alert in alerts(found)] == expected
