#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Check format (ruff), faults (ruff) and types (mypy) in the project's environment, which gets what that
# needs first. Nothing is altered; their options are in pyproject.toml.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
bin=$(MORE_EXTRAS="dev${MORE_EXTRAS:+,${MORE_EXTRAS}}" "${root}/tools/setup_env.sh")
export PATH="${bin}:${PATH}"

cd "${root}"
status=0
ruff format --check . || status=$?
ruff check . || status=$?
mypy || status=$?
exit "${status}"
