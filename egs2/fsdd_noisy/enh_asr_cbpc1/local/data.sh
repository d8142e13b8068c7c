#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Stage 1: write data/{train,dev,dev_clean,dev_noisy,test_clean,test_seen,test_unseen,test_newspk}.
# Called from the recipe directory. The options are those of prepare_fsdd_noisy.py (see its --help):
#   local/data.sh --train_minutes 140 --num_dev 200 --num_test 200 --seed 0 --fs 8000 --nj 2
# FSDD and NONSPEECH in db.sh: folders that hold the two corpora; an empty one is downloaded, from
# FSDD_URL or NONSPEECH_URL if set (a mirror).
set -euo pipefail

# shellcheck source=/dev/null
. ./db.sh
# shellcheck source=/dev/null
. ./path.sh

urls=()
if [ -n "${FSDD_URL:-}" ]; then
    urls+=(--fsdd_url "${FSDD_URL}")
fi
if [ -n "${NONSPEECH_URL:-}" ]; then
    urls+=(--nonspeech_url "${NONSPEECH_URL}")
fi
exec python local/prepare_fsdd_noisy.py \
    --fsdd "${FSDD:-}" --nonspeech "${NONSPEECH:-}" ${urls[@]+"${urls[@]}"} "$@"
