#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Digits before a tablet: real recordings (FSDD) and noises (Hu's) in simulated rooms, as the six
# microphones of CHiME-4's tablet hear them; two of them, or one:
#   ./run.sh --track 2ch
#   ./run.sh --track 1ch
# The tracks' options are in conf/track_*.yaml.
# FSDD and NONSPEECH name local copies; without them both are downloaded.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./enh_asr_cbpc.sh \
    --track 6ch \
    --train_set train \
    --valid_set dev \
    --test_sets "test_clean test_seen test_unseen" \
    --fs 8k \
    --token_type word \
    --train_nj 2 \
    --baseline_configs conf/train_enh_asr_joint.yaml \
    --block text \
    --quality_sets test_seen \
    "$@"
