#!/usr/bin/env bash
# Compare systems over several training seeds: train, decode and score each, and make one report.
# A recipe's link to it works in the recipe's directory; options that it does not know itself go to
# run.sh. Interrupted, it goes on where it was. The systems stand in a YAML file, see
# espnet_cbpc/recipe/comparison.py.
#   ./compare.sh                                        every system of conf/comparison.yaml, seeds 0 1 2
#   ./compare.sh --systems "joint cbpc_infonce"         some of them
#   ./compare.sh --seeds 0 --comparison conf/tuning/ablation.yaml --test_sets dev_noisy
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seeds="0 1 2"
comparison=conf/comparison.yaml
systems=              # names; empty: all
multicondition_asr_config=conf/train_asr_multicondition.yaml # empty: without that system
observation_adding=0.3 # share of the noisy speech; empty: without that system
tokenizer_conf=conf/tokenizer_kmeans.yaml
expdir=exp
results=              # the report; empty: RESULTS.md in a folder of expdir named after the comparison

rest=()
while [ $# -gt 0 ]; do
    case $1 in
        --seeds | --comparison | --systems | --multicondition_asr_config | --observation_adding | \
            --tokenizer_conf | --expdir | --results)
            [ $# -ge 2 ] || { echo "error: option $1 needs a value" >&2; exit 1; }
            printf -v "${1#--}" '%s' "$2"
            ;;
        -h | --help)
            sed -n '/^seeds=/,/^$/p; 2,/^set /{/^#/p}' "$0"
            exit 0
            ;;
        *) rest+=("$1" "${2-}") ;;
    esac
    shift $(($# > 1 ? 2 : 1))
done

# shellcheck source=/dev/null
. ./path.sh
name=$(basename "${comparison}" .yaml)
confdir=${expdir}/${name}_conf
results=${results:-${expdir}/${name}/RESULTS.md}
# shellcheck disable=SC2086  # a list
groups=$(python -m espnet_cbpc.bin.expand_comparison --comparison "${comparison}" \
    --tokenizer_conf "${tokenizer_conf}" --systems ${systems} --outdir "${confdir}" \
    ${multicondition_asr_config:+--multicondition_asr_config "${multicondition_asr_config}"})
if [ -n "${multicondition_asr_config}" ]; then
    multicondition_asr_config=${confdir}/$(basename "${multicondition_asr_config}")
fi

# run SEED TOKENIZER CONFIG... -- OPTION...
run() {
    local seed=$1 tokenizer=$2 configs=()
    shift 2
    while [ "$1" != -- ]; do
        configs+=("$1")
        shift
    done
    shift
    ./run.sh --expdir "${expdir}" --train_seed "${seed}" --results "${results}" \
        --tokenizer_conf "${tokenizer}" \
        --baseline_configs "${configs[*]:0:${#configs[@]}-1}" --enh_asr_config "${configs[-1]}" \
        --multicondition_asr_config "${multicondition_asr_config}" \
        --observation_adding "${observation_adding}" "${rest[@]}" "$@"
}

all=()
for seed in ${seeds}; do
    all=()
    while read -r tokenizer configs; do
        # shellcheck disable=SC2086  # a list
        run "${seed}" "${tokenizer}" ${configs} -- --stop_stage 15 </dev/null
        # shellcheck disable=SC2206  # a list
        all+=(${configs})
    done <<<"${groups}"
done
run "${seeds%% *}" "${groups%% *}" "${all[@]}" -- --stage 16 --stop_stage 16 --report_seeds "${seeds}"
