#!/bin/sh
# Prints the z-score of a pair as it is published. Needs redis-cli and awk and nothing else.
#
# sh follow.sh [REDIS_URL] [TOPIC] [ID]     ID: begin after this entry; 0 = with the oldest one; empty = with what is new
url=${1:-${PAIRSTREAM_REDIS_URL:-redis://127.0.0.1:6379/0}}
ask() { redis-cli --no-auth-warning -u "$url" "$@"; }
[ "$(ask PING 2>/dev/null)" = PONG ] || { echo "Redis: no answer. Is the URL right, with its password? \`pairstream topics\` prints it" >&2; exit 1; }
namespace=$(ask HGET pairstream:source namespace) # live data has none, a replay lives in "replay"
key=${namespace:+$namespace:}${2:-pairs:1s:ETHUSDT~BTCUSDT}
offset=${3:-$(ask XREVRANGE "$key" + - COUNT 1 | head -n 1)}
offset=${offset:-0} # yours: store it, and you go on exactly where you were
while entries=$(ask XREAD COUNT 1000 BLOCK 2000 STREAMS "$key" "$offset"); do
    # One line for the key, then for each entry its id and in turn names and values of its fields.
    printed=$(printf '%s\n' "$entries" | awk '
        function show() { if (id) print id, ("zscore" in field ? field["zscore"] : field["status"]) }
        /^[0-9]+-[0-9]+$/ { show(); id = $0; split("", field); name = ""; next }
        id && name == "" { name = $0; next }
        id { field[name] = $0; name = "" }
        END { show() }')
    [ -n "$printed" ] || continue
    offset=$(printf '%s\n' "$printed" | awk 'END { print $1 }')
    printf '%s\n' "$printed" | sed 's/-[0-9]* / /'
done
