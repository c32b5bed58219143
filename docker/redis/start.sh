#!/usr/bin/env bash
# Starts Redis with the password that is in the environment, which therefore is on no command line.
#
# Every change is appended to a file: a task that was queued, or that a worker had taken, is still there after a restart.
set -euo pipefail

: "${REDISCLI_AUTH:?give Redis a password}"
settings() {
    printf 'requirepass %s\n' "$REDISCLI_AUTH"
    printf 'dir %s\n' "${REDIS_DATA_DIR:-/data}"
    printf 'port %s\n' "${REDIS_PORT:-6379}"
    printf 'bind %s\n' "${REDIS_BIND:-0.0.0.0}"
    printf 'appendonly yes\nappendfsync everysec\nsave ""\n'
}

exec redis-server - < <(settings)
