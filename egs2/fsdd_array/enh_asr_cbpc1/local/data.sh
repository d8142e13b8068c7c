#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Stage 1: write train, clean speech, with the lists {noise,rir,noise_rir}_train.scp to mix it with; and
# dev, test_clean, test_seen and test_unseen, of the track's channels.
# Called from the recipe directory. The options are those of prepare_fsdd_array.py (see its --help):
#   local/data.sh --data data_6ch --train_minutes 60 --num_test 100 --seed 0 --fs 8000 --nj 2
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
exec env OMP_NUM_THREADS=1 python local/prepare_fsdd_array.py \
    --fsdd "${FSDD:-}" --nonspeech "${NONSPEECH:-}" ${urls[@]+"${urls[@]}"} "$@"
