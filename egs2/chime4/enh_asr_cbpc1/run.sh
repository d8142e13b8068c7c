#!/usr/bin/env bash
# CHiME-4: WSJ sentences on buses, in cafes, pedestrian areas and streets, and the same simulated.
#   ./run.sh                the one-channel track
#   ./run.sh --track 6ch    the six-channel one (or 2ch), with a beamformer, in data_6ch, dump_6ch, exp_6ch
# CHIME4 in db.sh or in the environment names the corpus; see README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

track=1ch
data_opts=()
options=()
while [ $# -gt 0 ]; do
    case "$1" in
        --track) track="${2:-}" ;;
        --local_data_opts) data_opts=("${2:-}") ;;
        *) options+=("$1") && shift && continue ;;
    esac
    shift $(($# > 1 ? 2 : 1))
done

name=one-channel
case "${track}" in
    1ch) ;;
    2ch | 6ch)
        name="$([ "${track}" = 2ch ] && echo two || echo six)-channel"
        data_opts=(--track "${track}" "${data_opts[@]}")
        set -- --datadir "data_${track}" --dumpdir "dump_${track}" --expdir "exp_${track}" \
            --enh_config conf/train_enh_mvdr.yaml \
            --enh_asr_config conf/train_enh_asr_cbpc_mvdr.yaml \
            --baseline_configs conf/train_enh_asr_joint_mvdr.yaml
        ;;
    *) echo "error: --track ${track}: must be 1ch, 2ch or 6ch" >&2 && exit 1 ;;
esac

exec ./enh_asr_cbpc.sh \
    --train_set tr05_multi \
    --valid_set dt05_multi \
    --test_sets "dt05_real dt05_simu et05_real et05_simu" \
    --fs 16k \
    --token_type char \
    --lm_config conf/train_lm.yaml \
    --baseline_configs conf/train_enh_asr_joint.yaml \
    --breakdown utt2env \
    --data_note "CHiME-4, ${name} track" \
    --local_data_opts "${data_opts[*]}" \
    "$@" "${options[@]}"
