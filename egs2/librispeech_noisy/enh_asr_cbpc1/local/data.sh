#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Stage 1: write data/{train_clean,dev,test_clean,test_seen,test_unseen}, with --static_train true
# also data/train_noisy; for dynamic mixing data/noise_train.scp and, if RIRS is set,
# data/rir_train.scp.
# Called from the recipe directory. The options are those of prepare_librispeech_noisy.py (see its
# --help), for example:
#   local/data.sh --hours 960 --num_test 500 --seed 0 --fs 16000 --nj 8
# db.sh gives the folders of the corpora: LIBRISPEECH (empty: downloaded); MUSAN, DEMAND, DNS_NOISE,
# WHAM_NOISE, ESC50, NOISE, any of them (none: MUSAN is downloaded); RIRS (may be empty).
set -euo pipefail

# shellcheck source=/dev/null
. ./db.sh
# shellcheck source=/dev/null
. ./path.sh

exec env OMP_NUM_THREADS=1 python local/prepare_librispeech_noisy.py \
    --librispeech "${LIBRISPEECH:-}" --musan "${MUSAN:-}" --demand "${DEMAND:-}" \
    --dns_noise "${DNS_NOISE:-}" --wham_noise "${WHAM_NOISE:-}" --esc50 "${ESC50:-}" \
    --noise "${NOISE:-}" --rirs "${RIRS:-}" "$@"
