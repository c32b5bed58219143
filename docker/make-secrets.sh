#!/usr/bin/env bash
# usage: docker/make-secrets.sh [DIRECTORY]
# Writes the environment files of compose.yaml with new random secrets, readable by no one else. Never overwrites one.
set -euo pipefail

directory=${1:-$(cd "$(dirname "$0")" && pwd)/secrets}
if [ -e "$directory" ]; then
    echo "$directory exists already; remove it if you want new secrets (and empty volumes)." >&2
    exit 1
fi
umask 077
mkdir -p "$directory"

# Prints random bytes as hex digits, which are safe in URLs and in files.
random_hex() { od -An -v -tx1 -N "$1" /dev/urandom | tr -d ' \n'; }

# A Fernet key is 32 bytes in base64, with - and _ for + and /.
fernet_key() { head -c 32 /dev/urandom | base64 | tr '+/' '-_'; }

database=$(random_hex 16)
results=$(random_hex 16)
broker=$(random_hex 16)

cat >"$directory/postgres.env" <<END
POSTGRES_USER=airflow
POSTGRES_DB=airflow
POSTGRES_PASSWORD=$database
CELERY_RESULTS_PASSWORD=$results
END
cat >"$directory/redis.env" <<END
REDISCLI_AUTH=$broker
END
# What workers need, and nothing that would let a task sign tokens or read the metadata database.
celery="AIRFLOW__CELERY__BROKER_URL=redis://:$broker@redis:6379/0
AIRFLOW__CELERY__RESULT_BACKEND=db+postgresql://celery:$results@postgres:5432/celery"
cat >"$directory/worker.env" <<END
$celery
END
cat >"$directory/control.env" <<END
$celery
AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=postgresql+psycopg2://airflow:$database@postgres:5432/airflow
AIRFLOW__CORE__FERNET_KEY=$(fernet_key)
AIRFLOW__API__SECRET_KEY=$(random_hex 32)
AIRFLOW__API_AUTH__JWT_SECRET=$(random_hex 64)
END
cat >"$directory/admin.env" <<END
ADMIN_USER=admin
ADMIN_PASSWORD=$(random_hex 8)
END
echo "Wrote $directory/{postgres,redis,control,worker,admin}.env. The administrator's password is in admin.env."
