#!/usr/bin/env bash
# CHiME-4, one-channel track: WSJ sentences on buses, in cafes, pedestrian areas and streets.
# CHIME4 in db.sh or in the environment names the corpus; see README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./enh_asr_cbpc.sh \
    --train_set tr05_multi \
    --valid_set dt05_multi \
    --test_sets "dt05_real dt05_simu et05_real et05_simu" \
    --fs 16k \
    --token_type char \
    --lm_config conf/train_lm.yaml \
    --baseline_configs conf/train_enh_asr_joint.yaml \
    --breakdown utt2env \
    --data_note "CHiME-4, one-channel track" \
    "$@"
