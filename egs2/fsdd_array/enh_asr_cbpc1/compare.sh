#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compare systems over several training seeds, as in other recipes; but without a multi-condition ASR
# model, since the training speech is mixed on the fly, in SE and joint training only.
#   ./compare.sh --track 2ch
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./run.sh --comparison conf/comparison.yaml --seeds "0 1 2" --stop_stage report "$@"
