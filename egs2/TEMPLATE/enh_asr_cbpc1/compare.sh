#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compare systems over several training seeds: train, decode and score each, and make one report.
# The systems are listed in a YAML file (--comparison); all options of run.sh may follow, and win.
#   ./compare.sh                                        every system of conf/comparison.yaml, seeds 0 1 2
#   ./compare.sh --systems "joint cbpc_infonce"         some of them
#   ./compare.sh --seeds 0 --comparison conf/tuning/ablation.yaml --test_sets dev_noisy
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./run.sh \
    --comparison conf/comparison.yaml \
    --seeds "0 1 2" \
    --multicondition_asr_config conf/train_asr_multicondition.yaml \
    --observation_adding 0.3 \
    --stop_stage report \
    "$@"
