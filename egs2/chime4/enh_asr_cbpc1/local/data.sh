#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Stage 1: write data/{tr05,dt05,et05}_{simu,real}, data/tr05_org (clean WSJ0 speech), what training
# reads of them, data/{tr05,dt05}_multi, and the list of noises data/noise_tr05.scp.
# Called from the recipe directory. The options are those of prepare_chime4.py (see its --help):
#   local/data.sh --channels 1 3 4 5 6 --clean true --nj 2
# db.sh names the corpora: CHIME4 and, if needed, WSJ0 and CHIME4_DIFF.
set -euo pipefail

# shellcheck source=/dev/null
. ./db.sh
# shellcheck source=/dev/null
. ./path.sh

# The work is split over processes; threads within them would only compete for the cores.
exec env OMP_NUM_THREADS=1 python local/prepare_chime4.py \
    --chime4 "${CHIME4}" --wsj0 "${WSJ0}" --chime4_diff "${CHIME4_DIFF}" "$@"
