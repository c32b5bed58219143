#!/usr/bin/env bash
# Makes what the other services need, and ends: the database's tables, the first person who may log in, the pool that
# keeps batches from crowding the servers, the directories of the models. Safe to run again.
set -euo pipefail

: "${ADMIN_USER:?say who the administrator is}"
: "${ADMIN_PASSWORD:?give the administrator a password}"
: "${TENDIES_POOL_SLOTS:=4}"
models=${TENDIES_MODELS_DIR:-/models}
models_config=${TENDIES_MODELS_CONFIG:-/opt/tendies/models.config}

# Model Server drops its whole look at the disk while the base path of any model is missing.
prepare_models() {
    local base_path
    mkdir -p "$models/config"
    [ -e "$models/config/models.config" ] || cp "$models_config" "$models/config/models.config"
    sed -n 's/^ *base_path: "\(.*\)".*/\1/p' "$models/config/models.config" | while read -r base_path; do
        mkdir -p "$base_path"
    done
}

# An existing user of that name keeps the password that they have by now. The password goes through standard input, where
# no list of processes shows it: without a terminal the prompt reads it from there, twice.
add_administrator() {
    printf '%s\n%s\n' "$ADMIN_PASSWORD" "$ADMIN_PASSWORD" |
        setsid --wait airflow users create --username "$ADMIN_USER" --role Admin \
            --firstname Airflow --lastname Administrator --email "$ADMIN_USER@localhost"
}

prepare_models
airflow db migrate
add_administrator
airflow pools set tf_serving "$TENDIES_POOL_SLOTS" "requests to Model Server"
