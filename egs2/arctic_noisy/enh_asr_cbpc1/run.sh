#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Noisy sentences: read sentences and spoken orders in real noises (Hu's 100 Nonspeech Sounds), for a
# frozen pretrained recogniser: Whisper. Training needs no transcripts.
# KATHLEEN, ORDERS, LJSPEECH and NONSPEECH name local copies; without them they are downloaded.
# Another recogniser: ./run.sh --asr_model whisper:base.en
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./enh_asr_cbpc.sh \
    --train_set train \
    --valid_set dev \
    --test_sets "test_clean test_seen test_unseen test_newspk_clean test_newspk_seen test_newspk_unseen" \
    --fs 16k \
    --asr_model whisper:tiny.en \
    --asr_update false \
    --use_transcripts false \
    --dynamic_mixing_conf conf/dynamic_mixing.yaml \
    --enh_asr_config conf/train_enh_for_frozen_asr.yaml \
    --inference_config ../../../conf/decode_whisper.yaml \
    --text_normalizer whisper_en \
    --block text \
    --data_note "read sentences in Hu's 100 Nonspeech Sounds, 16 kHz" \
    "$@"
