"""Settings: what is read from where, and what a wrong value is answered with."""

from pathlib import Path

import pytest

from services.alerter.settings import AlerterSettings
from services.ingestor.settings import IngestorSettings
from shared.errors import SettingsError
from shared.settings import SERVICES, Settings, load, redis_place


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_defaults_are_those_of_the_contract() -> None:
    settings = load(IngestorSettings)
    assert (settings.namespace, settings.partitions, settings.source) == ("", 1, "auto")
    assert settings.symbols == ["BTCUSDT", "ETHUSDT"]
    assert settings.pairs == ["ETHUSDT~BTCUSDT"]
    assert settings.intervals == ["1s", "1m", "5m"]
    assert [settings.window_bars(interval) for interval in ("1s", "1m", "5m")] == [300, 120, 120]
    assert (settings.fit, settings.price, settings.intercept) == ("lagged", "log", True)
    assert (settings.z_enter, settings.z_exit) == (2.0, 0.5)
    assert settings.binance_ws_url == "wss://fstream.binance.com/market"
    assert settings.binance_rest_url == "https://fapi.binance.com"
    assert settings.host == "127.0.0.1"
    ports = (settings.ui_port, settings.ingestor_port, settings.sampler_port, settings.analytics_port, settings.alerter_port)
    assert ports == (5006, 8001, 8002, 8003, 8004)


def test_environment_before_dotenv_before_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PAIRSTREAM_UI_PORT=5100\nPAIRSTREAM_SYMBOLS=solusdt, btcusdt ,SOLUSDT\nOTHER=1\n")
    monkeypatch.setenv("PAIRSTREAM_UI_PORT", "5200")
    monkeypatch.setenv("PAIRSTREAM_WINDOW", "")  # empty is not set
    settings = load(Settings)
    assert settings.ui_port == 5200
    assert settings.symbols == ["SOLUSDT", "BTCUSDT"]
    assert settings.window is None
    assert settings.model_fields_set == {"ui_port", "symbols"}


def test_secret_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("redis://default:hush@example.org:6379/0\n")
    monkeypatch.setenv("PAIRSTREAM_REDIS_URL_FILE", str(secret))
    assert load(Settings).redis_url == "redis://default:hush@example.org:6379/0"
    secret.unlink()
    with pytest.raises(SettingsError, match=r"PAIRSTREAM_REDIS_URL_FILE=.*secret.*No such file"):
        load(Settings)


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("SOURCE", "kraken", "one of auto, binance, replay, simulator, none"),
        ("UI_PORT", "70000", "a whole number from 0 to 65535 (port of the UI)"),
        ("UI_PORT", "http", "a whole number from 0 to 65535 (port of the UI)"),
        ("SYMBOLS", "BTC USDT", "such as BTCUSDT"),
        ("PAIRS", "BTCUSDT~BTCUSDT", "the legs must differ"),
        ("PAIRS", "BTCUSDT-ETHUSDT", "Y~X"),
        ("INTERVALS", "1s,7 parsecs", "such as 1s, 5m or 1h"),
        ("INTERVALS", "2s,5s", "multiple"),
        ("WINDOW", "3", "a whole number from 10 to 100000 (regression and z-score window"),
        ("WINDOW", "abc", "a whole number from 10 to 100000"),
        ("FIT", "quick", "one of lagged, inclusive"),
        ("INTERCEPT", "maybe", "Allowed: 1 or 0;"),
        ("Z_ENTER", "-1", "a number above 0, at most 1000 (|z|"),
        ("RETENTION_HOURS", "nan", "a number above 0 ("),
        ("SIMULATOR_SEED", "-1", "a whole number from 0 to 4294967295"),
        ("NAMESPACE", "a:b", "prefix"),
        ("BINANCE_WS_URL", "fstream.binance.com", "wss://"),
        ("REPLAY", "/no/such/recording", "recording: No such file or directory. Allowed: recording to replay"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    variable: str, value: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"PAIRSTREAM_{variable}", value)
    with pytest.raises(SettingsError) as caught:
        load(IngestorSettings)
    assert f"PAIRSTREAM_{variable}={value}" in str(caught.value)
    assert allowed in str(caught.value)
    for raw in ("Input should", "should match", "Errno"):
        assert raw not in str(caught.value)


def test_a_url_of_something_else_is_no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIRSTREAM_REDIS_URL", "http://127.0.0.1:6379")
    with pytest.raises(SettingsError, match=r"PAIRSTREAM_REDIS_URL=… cannot be used\. Allowed: .*redis://"):
        load(Settings)


def test_two_services_cannot_have_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIRSTREAM_UI_PORT", "8001")
    with pytest.raises(SettingsError, match=r"^PAIRSTREAM_INGESTOR_PORT and PAIRSTREAM_UI_PORT are the same, 8001: "):
        load(Settings)
    for name in SERVICES:
        monkeypatch.setenv(f"PAIRSTREAM_{name.upper()}_PORT", "0")  # any free one each
    assert load(Settings).ui_port == load(Settings).ingestor_port == 0


def test_every_mistake_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIRSTREAM_UI_PORT", "x")
    monkeypatch.setenv("PAIRSTREAM_PRICE", "y")
    with pytest.raises(SettingsError) as caught:
        load(Settings)
    assert len(str(caught.value).splitlines()) == 2


def test_thresholds_must_leave_room_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIRSTREAM_Z_ENTER", "1")
    monkeypatch.setenv("PAIRSTREAM_Z_EXIT", "1.5")
    with pytest.raises(SettingsError, match=r"PAIRSTREAM_Z_EXIT \(1\.5\) must be below Z_ENTER \(1\)"):
        load(Settings)


def test_a_password_is_not_repeated_in_the_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIRSTREAM_REDIS_URL", "http://:hush@example.org")
    monkeypatch.setenv("PAIRSTREAM_UI_PORT", "x")
    with pytest.raises(SettingsError) as caught:
        load(Settings)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://127.0.0.1:6379/0", "127.0.0.1:6379/0"),
        ("redis://:hush@example.org:6380/3", "example.org:6380/3"),
        ("rediss://me:hu@sh@example.org", "example.org:6379/0"),
        ("redis://example.org:6379/2?password=hush", "example.org:6379/2"),
        ("redis://example.org?db=4&username=me&password=hu%23sh", "example.org:6379/4"),
        ("redis://:hu%23sh@[::1]:6379/0", "[::1]:6379/0"),
        ("unix://me:hush@/run/redis.sock?db=1&password=hush", "/run/redis.sock"),
    ],
)
def test_a_redis_is_named_without_its_password(url: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIRSTREAM_REDIS_URL", url)
    settings = load(Settings)
    assert redis_place(settings.redis_url) == place
    assert "redis" not in repr(settings)
    assert "redis" not in str(settings)


@pytest.mark.parametrize(
    "url",
    ["redis://:hush#x@example.org:6379/0", "redis://:77/hush@example.org/0", "redis://:77?hush@example.org", "redis://a:hush"],
)
def test_a_redis_url_that_leads_nowhere_is_refused_without_its_password(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIRSTREAM_REDIS_URL", url)
    with pytest.raises(SettingsError, match="write # as %23") as caught:
        load(Settings)
    assert "hush" not in str(caught.value)


def test_where_the_ui_finds_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(Settings).service_url("analytics") == "http://127.0.0.1:8003"
    monkeypatch.setenv("PAIRSTREAM_HOST", "0.0.0.0")
    assert load(Settings).service_url("ingestor") == "http://127.0.0.1:8001"
    monkeypatch.setenv("PAIRSTREAM_INGESTOR_URL", "http://ingestor:9000/")
    assert load(Settings).service_url("ingestor") == "http://ingestor:9000"
    monkeypatch.setenv("PAIRSTREAM_HOST", "::1")
    assert load(Settings).service_url("ui") == "http://[::1]:5006"


def test_a_missing_rules_file_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIRSTREAM_RULES_FILE", "no-such-rules.toml")
    with pytest.raises(SettingsError, match=r"no-such-rules\.toml"):
        load(AlerterSettings)
