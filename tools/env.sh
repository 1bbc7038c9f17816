#!/bin/sh
# Makes .venv what uv.lock says: `sh tools/env.sh` for running, `sh tools/env.sh dev` with what the tests need.
# Needs a Python of PYTHONS and the package index; takes uv from there if it is not on PATH. PYTHON=... chooses the Python.
set -eu
cd "$(dirname "$0")/.."
PYTHONS="3.11, 3.12 or 3.13"
level=${1:-run}
stamp=.venv/.synced

say() { printf '%s\n' "pairstream: $*" >&2; }
fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1; }

# Up to date? Then without a single process of uv. The directory counts: an environment cannot be moved.
wanted="$(cksum uv.lock pyproject.toml; pwd)"
had=$(sed -n 1p "$stamp" 2>/dev/null || true)
if [ "$had" = dev ]; then level=dev; fi
if [ -f "$stamp" ] && [ "$(sed 1d "$stamp")" = "$wanted" ] && [ "$had" = "$level" ] && [ -z "${PYTHON:-}" ] && fits .venv/bin/python
then exit 0; fi

# Python: tried by running it, for a name on PATH may be a shim that runs nothing. 3.13 comes first only where a Redis
# server is installed: for the older ones there is a wheel that carries one.
python=
if [ -n "${PYTHON:-}" ]; then
  fits "$PYTHON" || { say "PYTHON=$PYTHON is not Python $PYTHONS (or does not run)."; exit 1; }
  python=$PYTHON
elif fits .venv/bin/python; then
  python=$(.venv/bin/python -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))')
else
  names="python3.12 python3.11 python3 python python3.13"
  if command -v redis-server >/dev/null 2>&1 || command -v valkey-server >/dev/null 2>&1; then
    names="python3.13 python3.12 python3.11 python3 python"
  fi
  for name in $names; do
    if fits "$name"; then python=$name; break; fi
  done
  [ -n "$python" ] || {
    say "no Python $PYTHONS on PATH: install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python@3.12) or name it: make PYTHON=/path/to/python3.12 up"
    exit 1
  }
fi
python=$("$python" -c 'import sys; print(sys.executable)')

# uv: the one on PATH if it runs and is not too old, else its own wheel.
usable() { case "$("$1" --version 2>/dev/null)" in "" | "uv 0."[0-6].*) return 1 ;; "uv "*) return 0 ;; *) return 1 ;; esac; }
uv=
for candidate in uv .pairstream/uv/bin/uv; do
  if usable "$candidate"; then uv=$candidate; break; fi
done
if [ -z "$uv" ]; then
  say "fetching uv from the package index"
  mkdir -p .pairstream
  if "$python" -m venv .pairstream/uv >/dev/null 2>&1; then
    .pairstream/uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.7' || { say "uv could not be fetched: is the package index within reach? (pip's own words are above)"; exit 1; }
  else
    rm -rf .pairstream/uv
    "$python" -m pip install --quiet --disable-pip-version-check --target .pairstream/uv 'uv>=0.7' 2>/dev/null || {
      say "$python can make no virtual environment and has no pip: install them (Debian, Ubuntu: apt install python3-venv) or install uv (https://docs.astral.sh/uv/)"
      exit 1
    }
  fi
  uv=.pairstream/uv/bin/uv
  usable "$uv" || { say "the uv that was fetched does not run on this machine; install uv by hand: https://docs.astral.sh/uv/"; exit 1; }
fi

say "environment .venv from uv.lock, with $("$python" --version)"
rm -f "$stamp"
groups=--no-dev
if [ "$level" = dev ]; then groups=--dev; fi
UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=.venv "$uv" sync --frozen --quiet $groups --python "$python" || {
  say "the environment could not be made (uv's own words are above): is the package index within reach, and the disk not full?"
  exit 1
}
printf '%s\n%s\n' "$level" "$wanted" >"$stamp"
