#!/usr/bin/env bash
# Digits before a tablet: real recordings (FSDD) and noises (Hu's) in simulated rooms, heard by the six
# microphones of CHiME-4's tablet; TRACK=2ch and TRACK=1ch take two of them, and one.
#   TRACK=2ch ./run.sh
# FSDD and NONSPEECH name local copies; without them both are downloaded.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

track=${TRACK:-6ch}
exec ./enh_asr_cbpc.sh \
    --train_set train \
    --valid_set "dev_${track}" \
    --test_sets "test_clean_${track} test_seen_${track} test_unseen_${track}" \
    --fs 8k \
    --token_type word \
    --train_nj 2 \
    --expdir "exp_${track}" \
    --enh_config "conf/train_enh_${track}.yaml" \
    --dynamic_mixing_conf "conf/dynamic_mixing_${track}.yaml" \
    --baseline_configs conf/train_enh_asr_joint.yaml \
    --block text \
    --data_note "FSDD digits before an array in simulated rooms, ${track}, 8 kHz" \
    "$@"
