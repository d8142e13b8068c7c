#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Noisy LibriSpeech: clean LibriSpeech, 100 or 960 hours, with new noise mixed in each epoch.
# db.sh gives the folders of the corpora; LibriSpeech and MUSAN are downloaded if not given.
# 960 hours: ./run.sh --local_data_opts "--hours 960" --speed_perturb_factors "" --nbpe 5000
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

options=(
    --train_set train_clean
    --valid_set dev
    --test_sets "test_clean test_seen test_unseen"
    --fs 16k
    --audio_format flac
    --token_type bpe
    --nbpe 1000
    --speed_perturb_factors "0.9 1.0 1.1"
    --baseline_configs conf/train_enh_asr_joint.yaml
    --data_note "LibriSpeech in noise, 16 kHz"
    --dynamic_mixing_conf conf/dynamic_mixing.yaml
)
exec ./enh_asr_cbpc.sh "${options[@]}" "$@"
