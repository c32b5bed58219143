#!/usr/bin/env bash
# usage: healthy.sh PORT MODEL...
# Ends with 0 if the Model Server on this machine has an AVAILABLE version of every model. Needs nothing but bash: the
# image has neither curl nor wget. A server without a version has a closed port and is not healthy.
set -euo pipefail

port=${1:?usage: healthy.sh PORT MODEL...}
shift
[ $# -gt 0 ] || { echo "healthy.sh: name at least one model" >&2; exit 2; }

# Ends with 0 if the server has an AVAILABLE version of a model, with 1 if not, with 2 if its port is closed.
serves() (
    { exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || exit 2
    printf 'GET /v1/models/%s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$1" >&3
    while IFS= read -r -t 2 line <&3 || [ -n "$line" ]; do
        [[ $line != *'"AVAILABLE"'* ]] || exit 0
    done
    exit 1
)

for model in "$@"; do
    status=0
    serves "$model" || status=$?
    case $status in
    0) ;;
    2) echo "port $port is closed" >&2 && exit 1 ;;
    *) echo "no version of $model is AVAILABLE" >&2 && exit 1 ;;
    esac
done
