#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Synthetic spoken commands in generated noises: the whole method in minutes, nothing downloaded.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./enh_asr_cbpc.sh \
    --train_set train \
    --valid_set dev \
    --test_sets "test_clean test_seen test_unseen" \
    --fs 8k \
    --token_type word \
    --train_nj 2 \
    --local_data_opts "--num_train 1500 --num_dev 160 --num_test 120" \
    --baseline_configs conf/train_enh_asr_joint.yaml \
    --block text \
    --quality_sets test_unseen \
    --data_note "eSpeak NG commands in generated noises, 8 kHz" \
    "$@"
