#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Stage 1: write data/{train,dev,test,test_clean}. Called from the recipe directory. The options are
# those of prepare_vctk_noisy.py (see its --help):
#   local/data.sh --dev_speakers p226 p287 --fs 16000 --nj 8
# VCTK_NOISY in db.sh: the folder of the unpacked archives; empty: they are downloaded.
set -euo pipefail

# shellcheck source=/dev/null
. ./db.sh
# shellcheck source=/dev/null
. ./path.sh

exec env OMP_NUM_THREADS=1 python local/prepare_vctk_noisy.py --vctk_noisy "${VCTK_NOISY:-}" "$@"
