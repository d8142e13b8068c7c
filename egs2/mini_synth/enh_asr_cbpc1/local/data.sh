#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Stage 1: write data/{train,dev,dev_clean,test_clean,test_seen,test_unseen}, all synthesised.
# Called from the recipe directory. The options are those of prepare_mini_synth.py (see its --help):
#   local/data.sh --num_train 1000 --num_dev 80 --num_test 80 --fs 8000 --seed 0 --nj 2
set -euo pipefail

. ./path.sh

exec env OMP_NUM_THREADS=1 python local/prepare_mini_synth.py "$@"
