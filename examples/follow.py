"""Prints the z-score of a pair as it is published. Needs `pip install redis` and nothing else.

python follow.py [REDIS_URL] [TOPIC] [ID]     ID: begin after this entry; 0 = with the oldest one; empty = with what is new
"""

import os
import sys

import redis

arguments = dict(enumerate(sys.argv))
url = arguments.get(1) or os.environ.get("PAIRSTREAM_REDIS_URL", "redis://127.0.0.1:6379/0")
try:
    client = redis.Redis.from_url(url, decode_responses=True)
    namespace = client.hget("pairstream:source", "namespace")  # live data has none, a replay lives in "replay"
    key = (f"{namespace}:" if namespace else "") + arguments.get(2, "pairs:1s:ETHUSDT~BTCUSDT")
    newest = client.xrevrange(key, count=1)
    offset = arguments.get(3) or (newest[0][0] if newest else "0")  # yours: store it, and you go on exactly where you were
    while True:
        for _, entries in client.xread({key: offset}, count=1000, block=2000):
            for offset, fields in entries:
                time_ms = offset.partition("-")[0]
                print(time_ms, fields.get("zscore", fields["status"]), flush=True)  # a field that is unknown is absent
except (redis.RedisError, ValueError) as error:
    sys.exit(f"Redis: {str(error).rstrip('.')}. Is the URL right, with its password? `pairstream topics` prints it")
except KeyboardInterrupt:
    pass
