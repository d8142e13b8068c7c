#!/usr/bin/env bash
# What this recipe is: the names of its data sets and its choice of options. The stages themselves
# are those of enh_asr_cbpc.sh; options on the command line come last and win.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# train_set, valid_set and each of test_sets name a directory that local/data.sh makes in data/.
exec ./enh_asr_cbpc.sh \
    --train_set train \
    --valid_set dev \
    --test_sets "test_clean test_seen test_unseen" \
    "$@"
