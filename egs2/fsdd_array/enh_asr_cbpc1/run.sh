#!/usr/bin/env bash
# Digits before a tablet: real recordings (FSDD) and noises (Hu's) in simulated rooms, as the six
# microphones of CHiME-4's tablet hear them; two of them, or one: TRACK=2ch ./run.sh, TRACK=1ch ./run.sh
# FSDD and NONSPEECH name local copies; without them both are downloaded.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

export TRACK="${TRACK:-6ch}"
exec ./enh_asr_cbpc.sh \
    --train_set train \
    --valid_set dev \
    --test_sets "test_clean test_seen test_unseen" \
    --fs 8k \
    --token_type word \
    --train_nj 2 \
    --datadir "data_${TRACK}" \
    --dumpdir "dump_${TRACK}" \
    --expdir "exp_${TRACK}" \
    --enh_config "conf/train_enh_${TRACK}.yaml" \
    --dynamic_mixing_conf "conf/dynamic_mixing_${TRACK}.yaml" \
    --baseline_configs conf/train_enh_asr_joint.yaml \
    --block text \
    --quality_sets test_seen \
    --data_note "FSDD digits before an array in simulated rooms, ${TRACK}, 8 kHz" \
    "$@"
