#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Joint training of speech enhancement (SE) and ASR with CBPC and infoNCE, from data to scores.
# Called by a recipe's run.sh in the recipe's directory. --help lists stages and options.
set -euo pipefail

# shellcheck source=/dev/null
. ./path.sh
# shellcheck source=/dev/null
. ./cmd.sh
exec python -m espnet_cbpc.bin.run_recipe "$@"
