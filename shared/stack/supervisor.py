"""`pairstream up`: an embedded Redis and the five services as processes, until Ctrl-C or SIGTERM."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from shared import __version__
from shared.bus import Bus, open_bus
from shared.errors import Unavailable
from shared.settings import PREFIX, SERVICES, Settings, redis_place
from shared.stack import ports
from shared.stack.child import BAD_SETTINGS, Child
from shared.stack.claim import CannotStart, end_leftovers, guarded, take, with_ports
from shared.stack.display import Display, Row
from shared.stack.redis_server import configuration, find_server
from shared.stack.state import Run, ServiceRun, StateDirectory, write_private

REDIS_PORT = 6379
_LOADING_S = 120.0
_SERVICES_GRACE_S = 5.0
_REDIS_GRACE_S = 3.0
_POLL_S = 0.5


async def run_stack(settings: Settings, directory: Path) -> int:
    """Run the stack with its files in `directory` until it is asked to end; answers the exit status."""
    display = Display()
    state = StateDirectory(directory)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    try:
        state.create()
        await take(state)
        try:
            await end_leftovers(state, display)
            settings = with_ports(settings)
            with guarded() as guard:
                return await Supervisor(settings, state, display, stop, guard).run()
        finally:
            state.release()
    except (CannotStart, Unavailable) as error:
        display.say(f"pairstream: {error}", "error")
        return 1
    except OSError as error:
        display.say(f"pairstream: {directory} cannot be used: {error}", "error")
        return 1


class Supervisor:
    """One run of the stack."""

    def __init__(
        self, settings: Settings, state: StateDirectory, display: Display, stop: asyncio.Event, guard: "subprocess.Popen[bytes]"
    ) -> None:
        self._settings = settings
        self._state = state
        self._display = display
        self._stop = stop
        self._guard = guard
        self._registered: dict[str, int] = {}
        self._run: Run | None = None
        self._redis: Child | None = None
        self._redis_url = settings.redis_url
        self._services: dict[str, Child] = {}
        self._started_ms = time.time_ns() // 1_000_000

    async def run(self) -> int:
        """Start, watch, stop; answers the exit status."""
        async with asyncio.TaskGroup() as tasks:
            try:
                try:
                    await self._start_redis(tasks)
                except (CannotStart, Unavailable) as error:
                    self._display.say(f"pairstream: {error}", "error")
                    return 1
                if self._stop.is_set():
                    return 0
                self._announce()
                self._start_services(tasks)
                watcher = tasks.create_task(self._watch())
                self._display.begin()
                await self._stop.wait()
                watcher.cancel()
                self._display.end()
                failed = [child for child in self._services.values() if child.exit_status == BAD_SETTINGS]
                for child in failed:
                    self._display.say("\n".join(child.last_lines), "error")
                return BAD_SETTINGS if failed else 0
            finally:
                await self._end()

    async def _start_redis(self, tasks: asyncio.TaskGroup) -> None:
        if "redis_url" in self._settings.model_fields_set:
            async with open_bus(self._redis_url, self._settings.keyspace("")) as bus:
                await bus.ping()
            self._display.say(f"Redis: {redis_place(self._redis_url)}, as PAIRSTREAM_REDIS_URL says")
            return
        program = await asyncio.to_thread(find_server, self._state.redis)
        port = REDIS_PORT if ports.is_free("127.0.0.1", REDIS_PORT) else ports.free_port()
        password = self._state.password()
        path = self._state.redis.resolve() / "redis.conf"
        write_private(path, configuration(port, password, path.parent))
        log = self._state.logs / "redis.log"
        env = {**os.environ, "LC_ALL": "C"}
        self._redis = Child("redis", [program.path, path], env, log, self._display.say, self._changed)
        tasks.create_task(self._redis.run())
        self._redis_url = f"redis://default:{password}@127.0.0.1:{port}/0"
        deadline = time.monotonic() + _LOADING_S
        async with open_bus(self._redis_url, self._settings.keyspace("")) as bus:
            while not self._stop.is_set():
                try:
                    await bus.ping()
                    break
                except Unavailable as error:
                    if self._redis.exit_status is not None or time.monotonic() > deadline:
                        tail = "\n".join(list(self._redis.last_lines)[-3:])
                        raise CannotStart(f"the embedded {program} did not start: {error}\n{tail}\n(log: {log})") from error
                await asyncio.sleep(0.05)
        self._display.say(f"Redis: {program.path.name} {program.version}, embedded, data in {self._state.redis}")

    def _announce(self) -> None:
        self._display.say(f"Redis URL for your own programs: {self._redis_url}")
        self._display.say(f"Logs: {self._state.logs}. Ctrl-C stops everything.")
        self._display.say(f"Page: {self._settings.service_url('ui')}")

    def _start_services(self, tasks: asyncio.TaskGroup) -> None:
        env = dict(os.environ) | {f"{PREFIX}REDIS_URL": self._redis_url, f"{PREFIX}LOG_FORMAT": "json"}
        env |= {f"{PREFIX}{name.upper()}_PORT": str(getattr(self._settings, f"{name}_port")) for name in SERVICES}
        env.pop(f"{PREFIX}REDIS_URL_FILE", None)
        env["PYTHONUNBUFFERED"] = "1"
        # Small matrices, five processes: threads of a linear algebra library would only fight for the cores.
        env.setdefault("OPENBLAS_NUM_THREADS", "1")
        for name in SERVICES:
            command = [sys.executable, "-m", f"services.{name}"]
            log = self._state.logs / f"{name}.log"
            self._services[name] = Child(name, command, env, log, self._display.say, self._changed)
        for child in self._services.values():
            tasks.create_task(self._keep(child))

    async def _keep(self, child: Child) -> None:
        await child.run()
        if child.exit_status == BAD_SETTINGS:
            self._stop.set()

    def _changed(self, child: Child) -> None:
        """Tell the guardian and ``run.json`` of a process that began or ended."""
        before = self._registered.pop(child.name, None)
        lines = f"-{before}\n" if before else ""
        if child.pid is not None:
            self._registered[child.name] = child.pid
            lines += f"{'*' if child is self._redis else '+'}{child.pid}\n"
        if lines and self._guard.stdin is not None:
            with contextlib.suppress(OSError):
                self._guard.stdin.write(lines.encode())
                self._guard.stdin.flush()
        if child.name in self._services:
            self._row(child, {"running": "starting"}.get(child.state, child.state))
        services = {
            name: ServiceRun(port=getattr(self._settings, f"{name}_port"), pid=self._registered.get(name)) for name in SERVICES
        }
        self._state.write_run(
            Run(
                version=__version__,
                supervisor_pid=os.getpid(),
                started_ms=self._started_ms,
                redis_url=self._redis_url,
                redis_pid=self._registered.get("redis"),
                ui_url=self._settings.service_url("ui"),
                services=services,
            )
        )

    def _row(self, child: Child, state: str, detail: str = "") -> None:
        self._display.show(Row(child.name, state, getattr(self._settings, f"{child.name}_port"), detail))

    async def _watch(self) -> None:
        async with (
            httpx.AsyncClient(timeout=2.0, trust_env=False) as client,
            open_bus(self._redis_url, self._settings.keyspace(self._settings.namespace)) as bus,
        ):
            while True:
                source = await self._source(bus)
                await asyncio.gather(*(self._poll(client, child, source) for child in self._services.values()))
                await asyncio.sleep(_POLL_S)

    async def _poll(self, client: httpx.AsyncClient, child: Child, source: str) -> None:
        if child.state != "running":
            return
        port = getattr(self._settings, f"{child.name}_port")
        host = "127.0.0.1" if self._settings.host == "0.0.0.0" else self._settings.host
        try:
            answer = await client.get(f"http://{host}:{port}/readyz")
            report = answer.json()
        except (httpx.HTTPError, ValueError):
            return  # not up yet, or just going down: its process says more
        if child.state == "running":
            row = row_of(child.name, port, report, ready=answer.status_code == 200)
            self._display.show(row._replace(detail=source) if child.name == "ingestor" and row.state == "ready" else row)

    async def _source(self, bus: Bus) -> str:
        """What the ingestor says that it runs on, in a few words."""
        try:
            record = await bus.source()
            if record is None or record.started_ms < self._started_ms:
                return ""
            symbols = await bus.within(record.namespace).symbols()
        except Unavailable:
            return ""
        reason = f" ({record.reason})" if record.reason else ""
        return f"{record.source.upper()} {len(symbols)} symbols{reason}"

    async def _end(self) -> None:
        """Services first, then Redis, which writes its data out; whoever does not end in time is killed."""
        if not self._services:
            await self._end_children([self._redis] if self._redis else [], _REDIS_GRACE_S)
            self._state.drop_run()
            return
        self._display.say("stopping", "good")
        await self._end_children(list(self._services.values()), _SERVICES_GRACE_S)
        await self._end_children([self._redis] if self._redis else [], _REDIS_GRACE_S)
        self._state.drop_run()
        self._display.say("stopped", "good")

    async def _end_children(self, children: list[Child], grace_s: float) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            for child in children:
                child.stop(number)
            deadline = time.monotonic() + grace_s
            while time.monotonic() < deadline:
                if all(child.state == "stopped" for child in children):
                    return
                await asyncio.sleep(0.02)


def row_of(name: str, port: int, report: Any, *, ready: bool) -> Row:
    """The status line of a service from what was answered at its port: the body of ``/readyz``, unless it is another's."""
    if not isinstance(report, dict) or report.get("service") != name:
        return Row(name, "waiting", port, f"another program answers on port {port}")
    reasons = dict.fromkeys(map(str, report.get("reasons", {}).values()))
    return Row(name, "ready" if ready else "waiting", port, "; ".join(reasons))
