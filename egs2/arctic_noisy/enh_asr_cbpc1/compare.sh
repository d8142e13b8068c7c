#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compare systems over several training seeds: see the template's compare.sh. Whisper is frozen, so there
# is no multi-condition ASR model.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./run.sh \
    --comparison conf/comparison.yaml \
    --seeds "0 1 2" \
    --own_transcripts true \
    --observation_adding auto \
    --observation_adding_to "cascade enhanced joint" \
    --stop_stage report \
    "$@"
