#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Noisy connected digits: real recordings (FSDD) in real noises (Hu's 100 Nonspeech Sounds).
# FSDD and NONSPEECH name local copies; without them both are downloaded.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./enh_asr_cbpc.sh \
    --train_set train \
    --valid_set dev \
    --test_sets "test_clean test_seen test_unseen test_newspk" \
    --fs 8k \
    --token_type word \
    --train_nj 2 \
    --stats_nj 2 \
    --speed_perturb_factors "0.9 1.0 1.1" \
    --baseline_configs conf/train_enh_asr_joint.yaml \
    --block text \
    --data_note "FSDD digits in Hu's 100 Nonspeech Sounds, 8 kHz" \
    "$@"
