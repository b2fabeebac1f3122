#!/bin/sh
# Runs a command with the service's token in its environment: arguments are for everyone on a machine to read.
set -eu
NEPTUNEML_SERVICE_TOKEN=$(cat "${NEPTUNEML_SERVICE_TOKEN_FILE:?names the file that holds the token}")
export NEPTUNEML_SERVICE_TOKEN
exec "$@"
