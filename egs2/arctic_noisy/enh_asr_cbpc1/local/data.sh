#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Stage 1: write data/train, clean speech, with data/noise_train.scp to mix it with; and
# data/{dev,dev_clean,dev_noisy,dev_newspk,test_clean,test_seen,test_unseen,test_newspk_clean,
# test_newspk_seen,test_newspk_unseen}.
# Called from the recipe directory. The options are those of prepare_arctic_noisy.py (see its --help):
#   local/data.sh --num_dev 60 --num_test 150 --seed 0 --fs 16000 --nj 2
# KATHLEEN, ORDERS, LJSPEECH and NONSPEECH in db.sh: folders that hold the corpora; an empty one is
# downloaded, from KATHLEEN_URL and so on if set (mirrors).
set -euo pipefail

# shellcheck source=/dev/null
. ./db.sh
# shellcheck source=/dev/null
. ./path.sh

exec env OMP_NUM_THREADS=1 python local/prepare_arctic_noisy.py \
    --kathleen "${KATHLEEN:-}" --orders "${ORDERS:-}" \
    --ljspeech "${LJSPEECH:-}" --nonspeech "${NONSPEECH:-}" "$@"
