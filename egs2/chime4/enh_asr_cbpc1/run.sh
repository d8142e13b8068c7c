#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# CHiME-4: WSJ sentences on buses, in cafes, pedestrian areas and streets, and the same simulated.
#   ./run.sh                the one-channel track
#   ./run.sh --track 6ch    the six-channel one (or 2ch), with a beamformer, in data_6ch, dump_6ch, exp_6ch
# The tracks' options are in conf/track_*.yaml.
# CHIME4 in db.sh or in the environment names the corpus; see README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./enh_asr_cbpc.sh \
    --track 1ch \
    --train_set tr05_multi \
    --valid_set dt05_multi \
    --test_sets "dt05_real dt05_simu et05_real et05_simu" \
    --fs 16k \
    --token_type char \
    --lm_config conf/train_lm.yaml \
    --breakdown utt2env \
    "$@"
