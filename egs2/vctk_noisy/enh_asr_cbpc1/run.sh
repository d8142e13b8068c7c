#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# VoiceBank + DEMAND, 28 speakers: the benchmark of speech enhancement, with transcripts.
# VCTK_NOISY names the corpus; without it the archives are downloaded.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./enh_asr_cbpc.sh \
    --train_set train \
    --valid_set dev \
    --test_sets "test_clean test" \
    --fs 16k \
    --token_type char \
    --baseline_configs conf/train_enh_asr_joint.yaml \
    --data_note "VoiceBank + DEMAND, 28 speakers, 16 kHz" \
    "$@"
