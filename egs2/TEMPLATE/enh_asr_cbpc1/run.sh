#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The recipe's data sets and options. The stages themselves are in enh_asr_cbpc.sh; options on the
# command line come last and win.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# train_set, valid_set and each of test_sets name a directory that local/data.sh writes in data/.
exec ./enh_asr_cbpc.sh \
    --train_set train \
    --valid_set dev \
    --test_sets "test_clean test_seen test_unseen" \
    "$@"
