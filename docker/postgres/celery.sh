#!/usr/bin/env bash
# Makes the database of Celery's results, with a login of its own. Run once, by the image of PostgreSQL, on an empty volume.
#
# Workers write there what became of each message, and have no other login: the metadata database is not theirs to read.
set -euo pipefail

: "${CELERY_RESULTS_PASSWORD:?give the celery role a password}"
psql --set ON_ERROR_STOP=1 --quiet --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'END'
\getenv password CELERY_RESULTS_PASSWORD
CREATE ROLE celery LOGIN PASSWORD :'password';
CREATE DATABASE celery OWNER celery;
REVOKE CONNECT ON DATABASE celery FROM PUBLIC;
END
psql --set ON_ERROR_STOP=1 --quiet --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --command "REVOKE CONNECT ON DATABASE \"$POSTGRES_DB\" FROM PUBLIC"
