"""Claiming directory and ports before the start, and seeing to it that nothing outlives the stack."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import PairstreamError
from shared.settings import PREFIX, SERVICES, Settings
from shared.stack import guardian, ports
from shared.stack.display import Display
from shared.stack.state import StateDirectory


class CannotStart(PairstreamError):
    """The stack cannot be started; the text says why and how to mend it."""


async def take(state: StateDirectory) -> None:
    """Make this process the only supervisor of the directory. Raises `CannotStart` that says who is it already."""
    for _ in range(5):
        if state.acquire():
            return
        await asyncio.sleep(0.1)  # somebody may just be asking whether it is held
    run = state.read_run()
    if run is None:
        raise CannotStart(f"another Pairstream is starting or stopping in {state.path.resolve().parent}; try again")
    held = ", ".join(f"{service.port} {name} (pid {service.pid})" for name, service in run.services.items() if service.pid)
    raise CannotStart(
        f"Pairstream is running here already, as process {run.supervisor_pid}: {run.ui_url}. It holds the ports {held}. "
        f"It was left alone; to end it: Ctrl-C there, or kill {run.supervisor_pid}"
    )


def with_ports(settings: Settings) -> Settings:
    """The settings with a free port for every 0. Raises `CannotStart` when a port is taken, and says by whom."""
    taken = []
    chosen: dict[str, int] = {}
    for name in SERVICES:
        port = getattr(settings, f"{name}_port")
        if port == 0:
            chosen[f"{name}_port"] = ports.free_port(
                besides={*chosen.values(), *(getattr(settings, f"{n}_port") for n in SERVICES)}
            )
        elif not ports.is_free(settings.host, port):
            taken.append(
                f"port {port}, which the {name} needs, is held by {ports.holder(port)}; "
                f"end that, or choose another port: {PREFIX}{name.upper()}_PORT=…"
            )
    if taken:
        raise CannotStart("\n".join(taken))
    return settings.model_copy(update=chosen)


async def end_leftovers(state: StateDirectory, display: Display) -> None:
    """End what a stack whose supervisor and guardian were both killed has left running here."""
    run = state.read_run()
    if run is None:
        return
    pids = {name: service.pid for name, service in run.services.items() if service.pid}
    mine = {pid for name, pid in pids.items() if f"-m services.{name}" in ports.command_of(pid)}
    redis = {run.redis_pid} if run.redis_pid and str(state.redis.resolve()) in ports.command_of(run.redis_pid) else set()
    if mine | redis:
        display.say(f"ending what an earlier stack has left running: pids {sorted(mine | redis)}", "warning")
        await asyncio.to_thread(guardian.end, mine)
        await asyncio.to_thread(guardian.end, redis)
    state.drop_run()


@contextmanager
def guarded() -> Iterator["subprocess.Popen[bytes]"]:
    """A guardian that ends the registered processes should this one be killed."""
    command = [sys.executable, "-I", "-S", guardian.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        yield process  # leaving closes its input and waits for it
