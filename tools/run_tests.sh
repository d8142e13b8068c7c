#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run the tests in the project's environment, which is set up first where needed.
# Usage: tools/run_tests.sh [pytest option or test file, from the repository root ...]
# Without any, all tests but those marked slow run in two processes, the recipes first, and the slowest
# are named; with -m slow, those.
# test/test_shell.py runs shellcheck over every shell script.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
bin=$("${root}/tools/setup_env.sh")
export PATH="${bin}:${PATH}"
# The models of the tests are tiny: more threads would only wait for one another.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

cd "${root}"
if [ $# -eq 0 ]; then
    set -- -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder --durations 20
fi
exec python -m pytest "$@"
