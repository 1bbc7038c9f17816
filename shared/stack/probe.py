"""``python -m shared.stack.probe PORT``: exit status 0 if the service on this port of this machine answers; for health checks."""

import sys
from urllib.request import urlopen


def main() -> None:
    with urlopen(f"http://127.0.0.1:{int(sys.argv[1])}/healthz", timeout=4) as answer:
        sys.exit(answer.status != 200)


if __name__ == "__main__":
    main()
