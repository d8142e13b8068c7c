#!/usr/bin/env bash
# Joint training of speech enhancement (SE) and ASR with CBPC and infoNCE, from data to scores.
# Called by a recipe's run.sh in the recipe's directory; see usage below, or --help.
set -euo pipefail

# General
stage=1               # first stage
stop_stage=18         # last stage
skip_train=false      # true: leave out stages 6-13, what they make must be there
nj=2                  # parallel jobs on data
train_nj=1            # trainings at a time: ASR beside SE (stages 9, 10), joint ones (stage 13)
inference_nj=2        # systems decoded at a time
ngpu=                 # GPUs for training and inference; empty: 1 where there is one, else 0
num_nodes=1           # machines for training
dumpdir=dump          # formatted data
expdir=exp            # experiments
seed=0                # of intervals
train_seed=           # of all trainings, in models of their own; empty: those of the configurations
results=              # the report, a Markdown file; empty: RESULTS.md in expdir
report_seeds=         # trainings with these --train_seed go into the report as one system; empty: this one

# Data
local_data_opts=      # options of local/data.sh
train_set=            # names of directories in data/
valid_set=
test_sets=
fs=16k                # sampling rate
audio_format=wav      # of files that must be converted: wav or flac
speed_perturb_factors= # for example "0.9 1.0 1.1"
min_wav_duration=0.1  # seconds, of training utterances
max_wav_duration=20

# Tokens and language model
token_type=bpe        # bpe, char or word
nbpe=500              # tokens of bpe
bpemode=unigram       # sentencepiece model of bpe: unigram or bpe
use_lm=false          # train a language model (stages 6-8) and decode with it
lm_config=            # its configuration
lm_train_text=        # text of its training; empty: that of the training set

# Models
asr_config=conf/train_asr.yaml
asr_model=            # a pretrained ASR model instead: folder, archive, config.yaml,model.pth, URL,
                      # tag of espnet_model_zoo, or user/name[@revision] of Hugging Face
multicondition_asr_config= # with it, stage 9 also trains the ASR model on, on noisy speech without SE
enh_config=conf/train_enh.yaml
enh_model=            # a pretrained SE model instead, likewise
model_cachedir=       # for downloaded models; empty: espnet_cbpc in the user's cache
tokenizer_conf=conf/tokenizer_kmeans.yaml
dump_labels=false     # true: stage 11 labels all clean speech, and joint training reads that
alignment=            # CTM file of valid_set's words or phones, to measure the clusters against
enh_asr_config=conf/train_enh_asr_cbpc.yaml
asr_update=true       # false: joint training leaves the ASR model as it is, and adapts the SE model to it
use_transcripts=true  # false: joint training has no ASR loss, and training data need no text
baseline_configs=     # further joint trainings for comparison, such as conf/train_enh_asr_joint.yaml
dynamic_mixing_conf=  # file: stages 10 and 13 mix clean training speech with noise in each epoch
asr_tag=              # names of experiments; empty: made from the names of the configurations
enh_tag=
enh_asr_tag=
asr_args=             # options that are passed on to the trainings
enh_args=
enh_asr_args=
stats_nj=1            # jobs of collecting statistics

# Inference and scoring
quality_sets=         # test sets whose speech quality is measured; empty: all, none: of none
breakdown=utt2snr     # tables in the data directories by whose values the report splits results
block=                # table in the data directories: utterances of one value count as one in intervals
compare_with=         # names of joint trainings that the other systems are tested against; empty: the last
report_notes=         # Markdown file to end the report with
inference_config=conf/decode.yaml
inference_asr_model=valid.loss.ave.pth
inference_enh_model=valid.loss.ave.pth
inference_enh_asr_model= # empty: valid.loss_asr.ave.pth, or what is there of a training without L_asr
observation_adding=   # with it, a further system: SE whose output has this share of its input added
inference_lm=valid.loss.ave.pth
inference_tag=        # empty: made from the name of inference_config
data_note=            # what the data are, for the report and the model card; empty: the folder's name

# Models for others
model_license=        # of the packed models, as apache-2.0; empty: not stated
hf_repo=              # user/name on Hugging Face; empty: stage 18 uploads nothing

usage() {
    echo "Usage: ./run.sh [--option value]..."
    echo "Stages: 1 data, 2 speed perturbation, 3 format, 4 length filter, 5 token list,"
    echo "  6-8 language model (--use_lm true): statistics, training, perplexity,"
    echo "  9 ASR on clean speech, 10 SE, 11 acoustic tokenizer, 12 joint statistics,"
    echo "  13 joint training, 14 inference, 15 scoring, 16 report, 17 pack for stock ESPnet,"
    echo "  18 upload (--hf_repo)"
    echo "Options and their defaults (a recipe's run.sh sets some of them):"
    sed -n '/^# General/,/^usage()/{/^[a-z_]*=/p;/^# /p}' "${script}"
}

script=$(readlink -f "${BASH_SOURCE[0]}")
# shellcheck source=SCRIPTDIR/stage_lib.sh
. "$(dirname "${script}")/stage_lib.sh"
parse_options "$@"
. ./path.sh
. ./cmd.sh

for name in train_set valid_set test_sets; do
    [ -n "${!name}" ] || fail "--${name} is not given"
done
for name in asr_config multicondition_asr_config enh_config tokenizer_conf enh_asr_config \
    baseline_configs inference_config lm_config dynamic_mixing_conf; do
    # shellcheck disable=SC2086  # baseline_configs is a list
    for file in ${!name}; do
        [ -f "${file}" ] || fail "${file}: no such file (--${name} names it)"
    done
done
if [ "${use_lm}" = true ] && [ -z "${lm_config}" ]; then fail "--use_lm true needs --lm_config"; fi
for name in skip_train use_lm dump_labels asr_update use_transcripts; do
    [ "${!name}" = true ] || [ "${!name}" = false ] || fail "--${name} must be true or false"
done
if ! ${use_transcripts} && [ -z "${asr_model}" ]; then
    fail "--use_transcripts false needs --asr_model: an ASR model cannot be trained without text"
fi
if [ -n "${report_seeds}" ] && [ -z "${train_seed}" ]; then
    fail "--report_seeds needs --train_seed: one of them"
fi
if ${use_lm} && [ -n "${asr_model}" ]; then
    fail "--use_lm true trains a model over the recipe's tokens, but --asr_model brings its own"
fi
if ${use_lm} && grep -q '^ctc_greedy: *true' "${inference_config}"; then
    fail "--use_lm true: ${inference_config} decodes by the best CTC path (ctc_greedy), which has no" \
        "use for a language model: give another --inference_config"
fi
if [ -z "${ngpu}" ]; then
    if nvidia-smi -L >/dev/null 2>&1; then ngpu=1; else ngpu=0; fi
fi
gpu_inference=$((ngpu > 0 ? 1 : 0))
fs_hz=${fs/k/000}
data_note=${data_note:-$(basename "$(dirname "${PWD}")")}
stamps=${expdir}/.stages
results=${results:-${expdir}/RESULTS.md}
case ${results} in # the same numbers, named as in espnet_cbpc.scoring.report.gather, and the page
    RESULTS.md | */RESULTS.md)
        numbers=${results%RESULTS.md}results.json page=${results%RESULTS.md}report.html
        ;;
    *.md) numbers=${results%.md}.json page=${results%.md}.html ;;
    *) fail "--results ${results}: name a Markdown file, such as ${expdir}/dev.md" ;;
esac
# Large batches come and go: without this, glibc gives their memory back at each step.
export MALLOC_MMAP_THRESHOLD_=${MALLOC_MMAP_THRESHOLD_:-2147483648}
export MALLOC_TRIM_THRESHOLD_=${MALLOC_TRIM_THRESHOLD_:-8589934592}
export PYTHONUNBUFFERED=1

name_of() { basename "$1" .yaml; }
# name_of_model MODEL: a file name for it
name_of_model() {
    local path=${1##*,} # of config.yaml,model.pth the latter
    case ${path} in
        *.pth) path=$(dirname "${path}") ;;
        *://*) path=${path%%[?#]*} ;;
    esac
    if [ -e "${path}" ]; then path=$(readlink -f "${path}"); fi
    basename "${path}" | sed -E 's/\.(zip|tar|tgz|tbz2|txz|tar\.(gz|bz2|xz))$//; s/[^[:alnum:]._-]+/_/g'
}

raw=${dumpdir}/raw
data_train=${train_set}
if [ -n "${speed_perturb_factors}" ]; then data_train=${train_set}_sp; fi
train=${raw}/${data_train}
valid=${raw}/${valid_set}
tokens=${expdir}/token_list_${token_type}$([ "${token_type}" != bpe ] || echo "${nbpe}")
token_opts=(--token_type "${token_type}" --token_list "${tokens}/tokens.txt")
if [ "${token_type}" = bpe ]; then token_opts+=(--bpemodel "${tokens}/bpe.model"); fi

# A model that is brought comes into an experiment folder of its own, with this checkpoint.
asr_checkpoint=${inference_asr_model} enh_checkpoint=${inference_enh_model}
if [ -n "${asr_model}" ]; then
    asr_tag=${asr_tag:-$(name_of_model "${asr_model}")}
    inference_asr_model=model.pth
fi
if [ -n "${enh_model}" ]; then
    enh_tag=${enh_tag:-$(name_of_model "${enh_model}")}
    inference_enh_model=model.pth
fi
seed_suffix=${train_seed:+_seed${train_seed}}
# stats_of NAME: the folder of statistics, which do not depend on the seed
stats_of() { echo "${expdir}/${1%"${seed_suffix}"}"; }
seed_opts=()
if [ -n "${train_seed}" ]; then seed_opts=(--seed "${train_seed}"); fi
asr_tag=${asr_tag:-$(name_of "${asr_config}")_${token_type}${seed_suffix}}
enh_tag=${enh_tag:-$(name_of "${enh_config}")${seed_suffix}}
asr_exp=${expdir}/asr_${asr_tag}
multicondition_exp=${expdir}/asr_$(name_of "${multicondition_asr_config}")_${asr_tag}
enh_exp=${expdir}/enh_${enh_tag}
lm_exp=${expdir}/lm_${token_type}
tokenizer_exp=${expdir}/tokenizer_$(name_of "${tokenizer_conf}")_${asr_tag}
joint_stats=$(stats_of "enh_asr_stats_${asr_tag}")
joint_suffix=$(if ! ${asr_update}; then echo _frozen_asr; fi)
joint_suffix+=$(if ! ${use_transcripts}; then echo _no_transcripts; fi)
joint_suffix+=${seed_suffix}
enh_asr_tag=${enh_asr_tag:-$(name_of "${enh_asr_config}")${joint_suffix}}
inference_tag=${inference_tag:-$(name_of "${inference_config}")$(if ${use_lm}; then echo _lm; fi)}

# Dynamic mixing: options of the trainings, and what a change of it re-runs
mixing_opts=() mixing_digest=()
if [ -n "${dynamic_mixing_conf}" ]; then
    mixing_opts=(--dynamic_mixing_conf "${dynamic_mixing_conf}" --dynamic_mixing_conf "fs=${fs_hz}")
    mixing_digest=("$(digest_of "${dynamic_mixing_conf}")")
fi

# Joint systems: the baselines first, then the one of this recipe.
joint_configs=() joint_tags=()
for config in ${baseline_configs}; do
    joint_configs+=("${config}")
    joint_tags+=("$(name_of "${config}")${joint_suffix}")
done
joint_configs+=("${enh_asr_config}")
joint_tags+=("${enh_asr_tag}")

# ---------------------------------------------------------------------------------------------

# What a training reads: DATA, triples file,name,type in the data directories, or in EXP/train and
# EXP/valid where file is EXP/SPLIT/...; and CATEGORY, the kinds of utterances to keep (empty: all).
# The tables must have the same ids: ESPnet reads them line by line.
# data_options sets OPTS from DATA.
data_options() {
    local split dir triple
    OPTS=()
    for split in train valid; do
        dir=$(if [ "${split}" = train ]; then echo "${train}"; else echo "${valid}"; fi)
        for triple in "${DATA[@]}"; do
            case ${triple} in
                */SPLIT/*) triple=${triple/SPLIT/${split}} ;;
                *) triple=${dir}/${triple} ;;
            esac
            OPTS+=("--${split}_data_path_and_name_and_type" "${triple}")
        done
    done
}

# train_model MODULE STATS EXP SHAPES OPTION...: batches are sized by the named SHAPES (a list).
train_model() {
    local module=$1 stats=$2 exp=$3 names=$4 split name shapes=() command submitter=${train_cmd}
    shift 4
    for split in train valid; do
        for name in ${names}; do shapes+=("--${split}_shape_file" "${stats}/${split}/${name}"); done
    done
    data_options
    if [ -e "${exp}/checkpoint.pth" ]; then python -m espnet_cbpc.bin.mend_checkpoints "${exp}"; fi
    command=(python -m "${module}" --ngpu "${ngpu}" --resume true --output_dir "${exp}"
        "${shapes[@]}" "${OPTS[@]}" "$@")
    if [ "${num_nodes}" -gt 1 ]; then
        [ -n "${train_cmd}" ] || fail "--num_nodes ${num_nodes} needs a train_cmd in cmd.sh"
        # the launcher submits the jobs, and is none itself
        train_cmd='' run_job "${exp}/launch.log" python -m espnet2.bin.launch --cmd "${submitter}" \
            --log "${exp}/train.log" --ngpu "${ngpu}" --num_nodes "${num_nodes}" \
            --init_file_prefix "${exp}/.dist_init_" --multiprocessing_distributed true -- \
            "${command[@]}"
    else
        run_job "${exp}/train.log" "${command[@]}" \
            --multiprocessing_distributed "$(if [ "${ngpu}" -gt 1 ]; then echo true; else echo false; fi)"
    fi
}

# begin_stats STATS DIGEST: begin, for collect_stats
begin_stats() {
    begin "$(basename "$1")" "$(if [ -n "${frames}" ]; then digest "$2" "${frames}"; else echo "$2"; fi)" "$1"
}

# collect_stats MODULE STATS OPTION...: lengths (and feature statistics) of the utterances.
collect_stats() {
    local module=$1 stats=$2 split dir job lists category parts=()
    shift 2
    rm -rf "${stats}"
    mkdir -p "${stats}/logdir"
    for split in train valid; do
        dir=$(if [ "${split}" = train ]; then echo "${train}"; else echo "${valid}"; fi)
        lists=()
        for job in $(seq "${stats_nj}"); do lists+=("${stats}/logdir/${split}.${job}.scp"); done
        category=${CATEGORY}
        # dynamic mixing makes the one of the other, in training
        if [ "${split} ${category}" = "train SIMU" ]; then
            category+=${dynamic_mixing_conf:+ CLEAN}
        fi
        # shellcheck disable=SC2086  # a list
        python -m espnet_cbpc.bin.split_table "${dir}/${DATA[0]%%,*}" "${lists[@]}" \
            --utt2category "${dir}/utt2category" --category ${category}
    done
    data_options
    run_array "${stats_nj}" "${stats}/logdir/stats.JOB.log" python -m "${module}" \
        --collect_stats true --ngpu 0 --output_dir "${stats}/logdir/stats.JOB" \
        --train_shape_file "${stats}/logdir/train.JOB.scp" \
        --valid_shape_file "${stats}/logdir/valid.JOB.scp" "${OPTS[@]}" "$@"
    for job in $(seq "${stats_nj}"); do parts+=(--input_dir "${stats}/logdir/stats.${job}"); done
    run_job "${stats}/logdir/aggregate.log" \
        python -m espnet2.bin.aggregate_stats_dirs "${parts[@]}" --output_dir "${stats}"
    finish "$(basename "${stats}")"
}

# need_model FOLDER CHECKPOINT OPTION: fails where there is no such model
need_model() {
    [ -f "$1/config.yaml" ] && [ -e "$1/$2" ] || fail "$1 must hold config.yaml and $2 (--$3 names" \
        "the latter): run the stage that trains the model, or bring another"
}

# bring_model KIND MODEL EXP CHECKPOINT: a pretrained one, proven whole, into EXP
bring_model() {
    local kind=$1 model=$2 exp=$3 name
    name=$(basename "${exp}")
    begin "${name}" "$(digest "${model}" "$4" "$(state_of "${model}")")" "${exp}" || return 0
    rm -rf "${exp}"
    run_job "${expdir}/import_${name}.log" python -m espnet_cbpc.bin.import_model \
        --kind "${kind}" --model "${model}" --checkpoint "$4" --outdir "${exp}" \
        ${model_cachedir:+--cachedir "${model_cachedir}"}
    finish "${name}"
}

# state_of MODEL: of one on this machine, the sizes and times of its files
state_of() {
    local path
    for path in "$1" "${1%%,*}" "${1##*,}"; do
        if [ -e "${path}" ]; then
            find -L "${path}" -type f \( -name '*.yaml' -o -name '*.pth' -o -path "${path}" \) \
                -printf '%p %s %T@\n'
        fi
    done | sort
}

need_models() {
    need_model "${asr_exp}" "${inference_asr_model}" inference_asr_model
    need_model "${enh_exp}" "${inference_enh_model}" inference_enh_model
}

stage1() {
    local sets=() name
    for name in ${train_set} ${valid_set} ${test_sets}; do sets+=("data/${name}"); done
    begin data "$(digest "$(digest_of local/*.*)" "${local_data_opts}" "${fs_hz}")" "${sets[@]}" \
        || return 0
    # shellcheck disable=SC2086  # options, split at blanks
    local/data.sh --fs "${fs_hz}" --nj "${nj}" ${local_data_opts}
    for name in "${sets[@]}"; do
        [ -d "${name}" ] || fail "local/data.sh has not made ${name}"
        python -m espnet_cbpc.bin.validate_data_dir "${name}" --require_text "${use_transcripts}"
    done
    finish data
}

stage2() {
    [ -n "${speed_perturb_factors}" ] || { log "no speed perturbation"; return 0; }
    begin speed_perturbation "$(digest "$(stamp data)" "${speed_perturb_factors}")" \
        "data/${data_train}" || return 0
    # shellcheck disable=SC2086  # a list
    python -m espnet_cbpc.bin.perturb_data_dir "data/${train_set}" "data/${data_train}" \
        --factors ${speed_perturb_factors} --nj "${nj}"
    finish speed_perturbation
}

stage3() {
    local name out outs=()
    for name in ${data_train} ${valid_set}; do outs+=("${raw}/org/${name}"); done
    for name in ${test_sets}; do outs+=("${raw}/${name}"); done
    begin format "$(digest "$(stamp data)" "$(stamp speed_perturbation)" "${fs_hz}" \
        "${audio_format}")" "${outs[@]}" || return 0
    for out in "${outs[@]}"; do
        python -m espnet_cbpc.bin.format_data_dir "data/$(basename "${out}")" "${out}" \
            --fs "${fs_hz}" --audio_format "${audio_format}" --nj "${nj}" \
            --require_text "${use_transcripts}"
    done
    finish format
}

stage4() {
    begin length_filter "$(digest "$(stamp format)" "${min_wav_duration}" "${max_wav_duration}")" \
        "${train}" "${valid}" || return 0
    for name in "${data_train}" "${valid_set}"; do
        python -m espnet_cbpc.bin.filter_data_dir "${raw}/org/${name}" "${raw}/${name}" \
            --fs "${fs_hz}" --min_seconds "${min_wav_duration}" --max_seconds "${max_wav_duration}"
    done
    finish length_filter
}

stage5() {
    if [ -n "${asr_model}" ]; then log "the ASR model brings its own tokens"; return; fi
    begin token_list "$(digest "$(stamp length_filter)" "${token_type}" "${nbpe}" "${bpemode}")" \
        "${tokens}" || return 0
    python -m espnet_cbpc.bin.make_token_list --text "${train}/text" --token_type "${token_type}" \
        --nbpe "${nbpe}" --bpemode "${bpemode}" --output_dir "${tokens}"
    finish token_list
}

lm_text=${lm_train_text:-${train}/text}
stage6() {
    begin lm_statistics "$(digest "$(stamp token_list)" "$(digest_of "${lm_text}")" \
        "$(digest_of "${lm_config}")")" "${lm_exp}_stats" || return 0
    lm_job "${lm_exp}_stats/stats.log" --collect_stats true --output_dir "${lm_exp}_stats" \
        --train_shape_file "${lm_text}" --valid_shape_file "${valid}/text"
    finish lm_statistics
}

lm_job() {
    local log_file=$1
    shift
    if [ -e "${lm_exp}/checkpoint.pth" ]; then
        python -m espnet_cbpc.bin.mend_checkpoints "${lm_exp}"
    fi
    run_job "${log_file}" python -m espnet2.bin.lm_train --ngpu "${ngpu}" --use_preprocessor true \
        "${token_opts[@]}" --config "${lm_config}" \
        --train_data_path_and_name_and_type "${lm_text},text,text" \
        --valid_data_path_and_name_and_type "${valid}/text,text,text" "$@"
}

stage7() {
    begin lm_training "$(digest "$(stamp lm_statistics)" "$(digest_of "${lm_config}")")" \
        "${lm_exp}" || return 0
    lm_job "${lm_exp}/train.log" --resume true --output_dir "${lm_exp}" \
        --train_shape_file "${lm_exp}_stats/train/text_shape" \
        --valid_shape_file "${lm_exp}_stats/valid/text_shape"
    finish lm_training
}

stage8() {
    begin lm_perplexity "$(digest "$(stamp lm_training)")" "${lm_exp}/perplexity" || return 0
    run_job "${lm_exp}/perplexity/lm_calc_perplexity.log" python -m espnet2.bin.lm_calc_perplexity \
        --ngpu "${gpu_inference}" --data_path_and_name_and_type "${valid}/text,text,text" \
        --train_config "${lm_exp}/config.yaml" --model_file "${lm_exp}/${inference_lm}" \
        --output_dir "${lm_exp}/perplexity"
    log "perplexity of the language model on ${valid_set}: $(cat "${lm_exp}/perplexity/ppl")"
    finish lm_perplexity
}

stage9() {
    if [ -n "${asr_model}" ]; then
        bring_model asr "${asr_model}" "${asr_exp}" "${asr_checkpoint}"
    else
        train_asr
    fi
    if [ -n "${multicondition_asr_config}" ]; then train_multicondition_asr; fi
}

train_asr() {
    local inputs stats opts
    inputs=$(digest "$(stamp length_filter)" "$(stamp token_list)" "$(digest_of "${asr_config}")" \
        "${asr_args}")
    stats=$(stats_of "asr_stats_${asr_tag}")
    begin "asr_${asr_tag}" "$(digest "${inputs}" "${seed_opts[@]}")" "${asr_exp}" || return 0
    # spk1.scp has a line for every utterance; but for real recordings it is that of clean.scp
    DATA=("spk1.scp,speech,sound" "text,text,text")
    CATEGORY="SIMU CLEAN"
    # shellcheck disable=SC2206  # options, split at blanks
    opts=(--config "${asr_config}" --use_preprocessor true "${token_opts[@]}"
        --frontend_conf "fs=${fs_hz}" ${asr_args})
    if begin_stats "${stats}" "${inputs}"; then
        collect_stats espnet_cbpc.bin.asr_train "${stats}" "${opts[@]}"
    fi
    train_model espnet_cbpc.bin.asr_train "${stats}" "${asr_exp}" "speech_shape text_shape" \
        "${opts[@]}" "${seed_opts[@]}"
    finish "asr_${asr_tag}"
}

# From the ASR model on clean speech, as the joint trainings start too, but on noisy speech
train_multicondition_asr() {
    local name inputs stats opts
    name=$(basename "${multicondition_exp}")
    inputs=$(digest "$(lengths_digest)" "$(digest_of "${multicondition_asr_config}")" "${asr_args}")
    stats=$(stats_of "asr_stats_${name#asr_}")
    begin "${name}" "$(digest "${inputs}" "${seed_opts[@]}" \
        "$(model_digest "${asr_exp}" "asr_${asr_tag}" "${inference_asr_model}")")" \
        "${multicondition_exp}" || return 0
    DATA=("wav.scp,speech,sound" "text,text,text")
    CATEGORY=
    mkdir -p "${multicondition_exp}"
    python -m espnet_cbpc.bin.make_asr_config --config "${multicondition_asr_config}" \
        --asr_train_config "${asr_exp}/config.yaml" --output "${multicondition_exp}/asr.yaml"
    # shellcheck disable=SC2206  # options, split at blanks
    opts=(--config "${multicondition_exp}/asr.yaml" ${asr_args})
    if begin_stats "${stats}" "${inputs}"; then
        collect_stats espnet_cbpc.bin.asr_train "${stats}" "${opts[@]}"
    fi
    train_model espnet_cbpc.bin.asr_train "${stats}" "${multicondition_exp}" "speech_shape text_shape" \
        "${opts[@]}" "${seed_opts[@]}" --init_param "${asr_exp}/${inference_asr_model}"
    finish "${name}"
}

stage10() {
    local inputs stats opts
    if [ -n "${enh_model}" ]; then
        bring_model enh "${enh_model}" "${enh_exp}" "${enh_checkpoint}"
        return
    fi
    inputs=$(digest "$(stamp length_filter)" "$(digest_of "${enh_config}")" "${enh_args}" \
        "${mixing_digest[@]}")
    stats=$(stats_of "enh_stats_${enh_tag}")
    begin "enh_${enh_tag}" "$(digest "${inputs}" "${seed_opts[@]}")" "${enh_exp}" || return 0
    DATA=("wav.scp,speech_mix,sound" "spk1.scp,speech_ref1,sound")
    CATEGORY=SIMU
    # shellcheck disable=SC2206  # options, split at blanks
    opts=(--config "${enh_config}" "${mixing_opts[@]}" ${enh_args})
    if begin_stats "${stats}" "${inputs}"; then
        collect_stats espnet_cbpc.bin.enh_train "${stats}" "${opts[@]}"
    fi
    train_model espnet_cbpc.bin.enh_train "${stats}" "${enh_exp}" \
        "speech_mix_shape speech_ref1_shape" "${opts[@]}" "${seed_opts[@]}"
    finish "enh_${enh_tag}"
}

stage11() {
    local name opts
    name=$(basename "${tokenizer_exp}")
    need_model "${asr_exp}" "${inference_asr_model}" inference_asr_model
    begin "${name}" "$(digest "$(model_digest "${asr_exp}" "asr_${asr_tag}" \
        "${inference_asr_model}")" "$(stamp length_filter)" "$(digest_of "${tokenizer_conf}")" \
        "${dump_labels}" "$([ -z "${alignment}" ] || digest_of "${alignment}")" \
        ${frames:+"${frames}"})" "${tokenizer_exp}" || return 0
    opts=(--config "${tokenizer_conf}" --asr_train_config "${asr_exp}/config.yaml"
        --asr_model_file "${asr_exp}/${inference_asr_model}" --fs "${fs_hz}"
        --ngpu "${gpu_inference}")
    dump_features train "${train}" "${opts[@]}"
    run_job "${tokenizer_exp}/fit_tokenizer.log" python -m espnet_cbpc.bin.fit_tokenizer "${opts[@]}" \
        --feature_dirs "${FEATURES[@]}" \
        --valid_clean_scp "${valid}/clean.scp" --valid_noisy_scp "${valid}/wav.scp" \
        ${alignment:+--alignment "${alignment}"} --output_dir "${tokenizer_exp}"
    tail -n 1 "${tokenizer_exp}/fit_tokenizer.log"
    if ${dump_labels}; then
        label_features train "${train}"
        dump_features valid "${valid}" "${opts[@]}"
        label_features valid "${valid}"
    fi
    rm -rf "${tokenizer_exp}/features"
    finish "${name}"
}

# dump_features SPLIT DIR OPTION...: encoder outputs of clean speech, by several jobs, in FEATURES
dump_features() {
    local split=$1 dir=$2 jobs=$((ngpu > 0 ? 1 : nj)) job lists=() out=${tokenizer_exp}/features
    shift 2
    mkdir -p "${out}"
    FEATURES=()
    for job in $(seq "${jobs}"); do
        lists+=("${out}/${split}.${job}.scp")
        FEATURES+=("${out}/${split}.${job}")
    done
    python -m espnet_cbpc.bin.split_table "${dir}/clean.scp" "${lists[@]}"
    run_array "${jobs}" "${tokenizer_exp}/dump_features_${split}.JOB.log" \
        python -m espnet_cbpc.bin.dump_encoder_features "$@" \
        --wav_scp "${out}/${split}.JOB.scp" --output_dir "${out}/${split}.JOB"
}

# label_features SPLIT DIR: pseudo-labels of FEATURES; other utterances of DIR have none
label_features() {
    run_job "${tokenizer_exp}/dump_labels_$1.log" python -m espnet_cbpc.bin.dump_labels \
        --tokenizer "${tokenizer_exp}/tokenizer.safetensors" \
        --feature_dirs "${FEATURES[@]}" --all_of "$2/wav.scp" \
        --output_dir "${tokenizer_exp}/labels/$1"
}

# model_digest EXP STAGE CHECKPOINT: of a model trained here, its stamp; of another, its contents
model_digest() {
    local made
    made=$(stamp "$2")
    if [ "${made}" = none ]; then made=$(digest_of "$1/config.yaml" "$1/$3"); fi
    digest "${made}" "$3"
}

joint_data() {
    DATA=("wav.scp,speech,sound" "spk1.scp,speech_ref1,sound" "utt2category,utt2category,text")
    joint_shapes=speech_shape
    if ${use_transcripts}; then
        DATA+=("text,text_spk1,text")
        joint_shapes+=" text_spk1_shape"
    fi
    CATEGORY=
}

# lengths_digest: what the lengths of noisy speech and of its tokens depend on
lengths_digest() {
    local model
    model=$(stamp "$(basename "$(stats_of "asr_stats_${asr_tag}")")")
    if [ "${model}" = none ]; then
        model=$(model_digest "${asr_exp}" "asr_${asr_tag}" "${inference_asr_model}")
    fi
    digest "$(stamp length_filter)" "$(stamp token_list)" "${model}"
}

stage12() {
    local config=${joint_stats}.yaml
    need_models
    # Lengths do not depend on the SE model, nor on how the model is trained: one set serves all
    # joint trainings with an ASR model.
    begin_stats "${joint_stats}" "$(digest "$(lengths_digest)" "${use_transcripts}")" || return 0
    joint_config "${enh_asr_config}" "${config}"
    joint_data
    collect_stats espnet_cbpc.bin.enh_asr_cbpc_train "${joint_stats}" --config "${config}"
}

# joint_config CONFIG OUTPUT: the architectures of both models and the user's training options
joint_config() {
    python -m espnet_cbpc.bin.make_joint_config --config "$1" --tokenizer_config "${tokenizer_conf}" \
        --tokenizer_init "${tokenizer_exp}/tokenizer.safetensors" \
        --asr_train_config "${asr_exp}/config.yaml" --enh_train_config "${enh_exp}/config.yaml" \
        --asr_update "${asr_update}" --use_transcripts "${use_transcripts}" --fs "${fs_hz}" \
        --output "$2"
}

stage13() {
    local i tag exp
    need_models
    side_by_side "${train_nj}"
    for i in "${!joint_tags[@]}"; do
        tag=${joint_tags[i]}
        exp=${expdir}/enh_asr_${tag}
        begin "enh_asr_${tag}" "$(digest "$(stamp "$(basename "${joint_stats}")")" \
            "$(model_digest "${asr_exp}" "asr_${asr_tag}" "${inference_asr_model}")" \
            "$(model_digest "${enh_exp}" "enh_${enh_tag}" "${inference_enh_model}")" \
            "$(stamp "$(basename "${tokenizer_exp}")")" "$(digest_of "${joint_configs[i]}")" \
            "${enh_asr_args}" "${seed_opts[@]}" "${asr_update}" "${use_transcripts}" \
            "${mixing_digest[@]}")" "${exp}" || continue
        start train_joint "${tag}" "${exp}" "${joint_configs[i]}"
    done
    wait_started
}

train_joint() {
    local tag=$1 exp=$2 config=$3
    mkdir -p "${exp}"
    joint_config "${config}" "${exp}/joint.yaml"
    joint_data
    if ${dump_labels}; then
        DATA+=("${tokenizer_exp}/labels/SPLIT/labels.scp,labels,kaldi_ark")
    fi
    # shellcheck disable=SC2086  # options, split at blanks
    train_model espnet_cbpc.bin.enh_asr_cbpc_train "${joint_stats}" "${exp}" \
        "${joint_shapes}" --config "${exp}/joint.yaml" "${seed_opts[@]}" \
        --init_param "${asr_exp}/${inference_asr_model}::s2t_model" \
        "${enh_exp}/${inference_enh_model}::enh_model" "${mixing_opts[@]}" ${enh_asr_args}
    finish "enh_asr_${tag}"
}

# Systems of the comparison, by number: SYSTEM_NAMES, SYSTEM_DIRS, and SYSTEM_KINDS, which say what is
# loaded. system_model sets MODEL, its options.
SYSTEM_NAMES=() SYSTEM_DIRS=() SYSTEM_KINDS=()
add_system() {
    SYSTEM_KINDS+=("$1")
    SYSTEM_NAMES+=("$2")
    SYSTEM_DIRS+=("${expdir}/$3")
}
add_system asr "Clean ASR, no enhancement" "noenh_${asr_tag}"
if [ -n "${multicondition_asr_config}" ]; then
    add_system multicondition "Multi-condition ASR, no enhancement" "$(basename "${multicondition_exp}")"
fi
add_system cascade "SE, then clean ASR" "cascade_${enh_tag}_${asr_tag}"
if [ -n "${observation_adding}" ]; then
    add_system observation_adding "SE, observation adding of ${observation_adding}, then clean ASR" \
        "cascade_${enh_tag}_${asr_tag}_oa${observation_adding}"
fi
for i in "${!joint_tags[@]}"; do
    # A configuration's first line is a comment that says what it is.
    add_system joint "$(sed -n '1s/^# *//p' "${joint_configs[i]}") (${joint_tags[i]%"${seed_suffix}"})" \
        "enh_asr_${joint_tags[i]}"
done

# joint_checkpoint EXP: the one to decode with; a training without L_asr has no valid.loss_asr
joint_checkpoint() {
    if [ -n "${inference_enh_asr_model}" ]; then
        echo "${inference_enh_asr_model}"
    elif [ -e "$1/valid.loss_asr.ave.pth" ]; then
        echo valid.loss_asr.ave.pth
    else
        echo valid.loss.ave.pth
    fi
}

system_model() {
    local dir=${SYSTEM_DIRS[$1]} kind=${SYSTEM_KINDS[$1]}
    MODEL=(--asr_train_config "${asr_exp}/config.yaml"
        --asr_model_file "${asr_exp}/${inference_asr_model}")
    case ${kind} in
        multicondition) MODEL=(--asr_train_config "${multicondition_exp}/config.yaml"
            --asr_model_file "${multicondition_exp}/${asr_checkpoint}") ;;
        cascade | observation_adding) MODEL+=(--enh_train_config "${enh_exp}/config.yaml"
            --enh_model_file "${enh_exp}/${inference_enh_model}") ;;
        joint) MODEL=(--enh_asr_train_config "${dir}/config.yaml"
            --enh_asr_model_file "${dir}/$(joint_checkpoint "${dir}")") ;;
    esac
    if [ "${kind}" = observation_adding ]; then
        MODEL+=(--observation_adding "${observation_adding}")
    fi
    if ${use_lm}; then
        MODEL+=(--lm_train_config "${lm_exp}/config.yaml" --lm_file "${lm_exp}/${inference_lm}")
    fi
}

system_digest() {
    local dir=${SYSTEM_DIRS[$1]} asr enh
    asr=$(model_digest "${asr_exp}" "asr_${asr_tag}" "${inference_asr_model}")
    enh=$(model_digest "${enh_exp}" "enh_${enh_tag}" "${inference_enh_model}")
    case ${SYSTEM_KINDS[$1]} in
        asr) echo "${asr}" ;;
        multicondition) model_digest "${multicondition_exp}" "$(basename "${multicondition_exp}")" \
            "${asr_checkpoint}" ;;
        cascade | observation_adding) echo "${asr} ${enh}" ;;
        joint) model_digest "${dir}" "$(basename "${dir}")" "$(joint_checkpoint "${dir}")" ;;
    esac
}

stage14() {
    local i out name sets=()
    need_models
    for name in ${test_sets}; do sets+=("${raw}/${name}"); done
    side_by_side "${inference_nj}"
    for i in "${!SYSTEM_NAMES[@]}"; do
        if [ "${SYSTEM_KINDS[i]}" = joint ]; then
            need_model "${SYSTEM_DIRS[i]}" "$(joint_checkpoint "${SYSTEM_DIRS[i]}")" \
                inference_enh_asr_model
        fi
        out=${SYSTEM_DIRS[i]}/${inference_tag}
        name=inference_$(basename "${SYSTEM_DIRS[i]}")_${inference_tag}
        begin "${name}" "$(digest "$(system_digest "${i}")" "$(stamp format)" \
            "$(digest_of "${inference_config}")" "$(stamp lm_training)")" \
            "${sets[@]/#*\//${out}/}" || continue
        system_model "${i}"
        start decode "${name}" "${out}" "${MODEL[@]}"
    done
    wait_started
}

decode() {
    local name=$1 out=$2
    shift 2
    run_job "${out}/enh_asr_inference.log" python -m espnet_cbpc.bin.enh_asr_inference \
        --config "${inference_config}" --ngpu "${gpu_inference}" --fs "${fs_hz}" \
        --num_threads "${OMP_NUM_THREADS}" \
        --data_dirs "${sets[@]}" --output_dir "${out}" "$@"
    finish "${name}"
}

stage15() {
    local i name out dir
    score_enhancement noisy_speech "${expdir}/noisy_scores" "$(stamp format)" wav.scp
    for i in "${!SYSTEM_NAMES[@]}"; do
        out=${SYSTEM_DIRS[i]}/${inference_tag}
        name=$(basename "${SYSTEM_DIRS[i]}")_${inference_tag}
        dir=$(stamp "inference_${name}")
        if begin "score_asr_${name}" "$(digest "${dir}" "$(stamp format)" "${test_sets}")"; then
            for set in $(sets_with_text); do
                python -m espnet_cbpc.bin.score_asr --ref "${raw}/${set}/text" \
                    --hyp "${out}/${set}/text" --utt2spk "${raw}/${set}/utt2spk" --outdir "${out}/${set}"
            done
            finish "score_asr_${name}"
        fi
        case ${SYSTEM_KINDS[i]} in
            asr | multicondition) ;;
            *) score_enhancement "${name}" "${out}" "${dir}" enhanced/spk1.scp ;;
        esac
    done
}

# score_enhancement NAME DIR DIGEST SCP: speech quality of DIR/<set>/SCP (wav.scp: of the noisy
# speech itself), into DIR/<set>/score_enh; sets without simulated speech have no reference.
score_enhancement() {
    local set scp
    if [ "${quality_sets}" = none ]; then return; fi
    begin "score_enh_$1" "$(digest "$3" "$(stamp format)" "${quality_sets:-${test_sets}}")" || return 0
    for set in ${quality_sets:-${test_sets}}; do
        grep -q SIMU "${raw}/${set}/utt2category" || continue
        if [ "$4" = wav.scp ]; then scp=${raw}/${set}/wav.scp; else scp=$2/${set}/$4; fi
        log "speech quality: $1, ${set}"
        run_job "$2/${set}/score_enh.log" python -m espnet_cbpc.bin.score_enh \
            --ref_scp "${raw}/${set}/spk1.scp" --utt2category "${raw}/${set}/utt2category" \
            --inf_scp "${scp}" --outdir "$2/${set}/score_enh" --nj "${nj}"
    done
    finish "score_enh_$1"
}

sets_with_text() {
    local set
    for set in ${test_sets}; do if [ -f "${raw}/${set}/text" ]; then echo "${set}"; fi; done
}

stage16() {
    local i systems=() sets=() noisy=()
    if [ "${quality_sets}" != none ]; then noisy=(--noisy_scores "${expdir}/noisy_scores"); fi
    mapfile -t sets < <(sets_with_text)
    if [ "${#sets[@]}" -eq 0 ]; then
        log "no report: none of the test sets has transcripts"
        return
    fi
    for i in "${!SYSTEM_NAMES[@]}"; do
        systems+=("${SYSTEM_NAMES[i]}=$(dirs_of_seeds "${SYSTEM_DIRS[i]}")")
    done
    tested_against
    # shellcheck disable=SC2086  # a list
    python -m espnet_cbpc.bin.report --systems "${systems[@]}" --data_root "${raw}" \
        --sets "${sets[@]}" "${noisy[@]}" --breakdown ${breakdown} ${block:+--block "${block}"} \
        --compare_with "${TESTED_AGAINST[@]}" --seed "${seed}" --output "${results}" \
        ${report_notes:+--notes "${report_notes}"} \
        --header "data=${data_note}" "seeds of the trainings=$(training_seeds)"
    log "results: ${results}"
    # of results that were brought, without the models, there are tables alone
    if [ -e "${asr_exp}/${inference_asr_model}" ]; then
        map_embeddings
        html_report "${systems[@]}"
    else
        log "no ${page}: ${asr_exp} has no model"
    fi
}

# tested_against: systems that the others are compared with, as TESTED_AGAINST
tested_against() {
    local tag i
    TESTED_AGAINST=()
    for tag in ${compare_with:-${enh_asr_tag%"${seed_suffix}"}}; do
        for i in "${!SYSTEM_NAMES[@]}"; do
            if [[ ${SYSTEM_NAMES[i]} = *" (${tag})" ]]; then TESTED_AGAINST+=("${SYSTEM_NAMES[i]}"); fi
        done
    done
    [ "${#TESTED_AGAINST[@]}" -gt 0 ] || fail "--compare_with ${compare_with}: no joint training of that name"
}

# map_embeddings: where frames lie before joint training and after it, of the first one and of those in
# TESTED_AGAINST, as MAP; none without simulated validation speech
map_embeddings() {
    local i exp shown=false digests=() joint=()
    MAP=
    if ! grep -q SIMU "${valid}/utt2category"; then return; fi
    MAP=${expdir}/embedding_map.npz
    for i in "${!SYSTEM_NAMES[@]}"; do
        exp=${SYSTEM_DIRS[i]}
        digests+=("${SYSTEM_NAMES[i]}" "$(system_digest "${i}")")
        [ "${SYSTEM_KINDS[i]}" = joint ] || continue
        if ! ${shown} || [[ " ${TESTED_AGAINST[*]} " = *" ${SYSTEM_NAMES[i]} "* ]]; then
            shown=true
            joint+=("${SYSTEM_NAMES[i]}=${exp}/config.yaml,${exp}/$(joint_checkpoint "${exp}")")
        fi
    done
    begin embedding_map "$(digest "${digests[@]}" "$(stamp "$(basename "${tokenizer_exp}")")" \
        "$(stamp length_filter)" "${seed}")" "${MAP}" || return 0
    run_job "${expdir}/embedding_map.log" python -m espnet_cbpc.bin.map_embeddings \
        --asr_train_config "${asr_exp}/config.yaml" \
        --asr_model_file "${asr_exp}/${inference_asr_model}" \
        --enh_train_config "${enh_exp}/config.yaml" \
        --enh_model_file "${enh_exp}/${inference_enh_model}" \
        --joint "${joint[@]}" --tokenizer "${tokenizer_exp}/tokenizer.safetensors" \
        --config "${tokenizer_conf}" --data_dir "${valid}" --fs "${fs_hz}" --seed "${seed}" \
        --ngpu "${gpu_inference}" --output "${MAP}"
    finish embedding_map
}

# html_report NAME=DIR...: the page on all systems
html_report() {
    local i experiments=("ASR on clean speech=${asr_exp}" "SE=${enh_exp}")
    for i in "${!SYSTEM_NAMES[@]}"; do
        case ${SYSTEM_KINDS[i]} in
            multicondition | joint) experiments+=("${SYSTEM_NAMES[i]}=${SYSTEM_DIRS[i]}") ;;
        esac
    done
    python -m espnet_cbpc.bin.html_report --results "${numbers}" \
        --systems "$@" --data_root "${raw}" --experiments "${experiments[@]}" \
        --tokenizer "${tokenizer_exp}" ${MAP:+--embedding_map "${MAP}"} --seed "${seed}" \
        --output "${page}"
    log "report: ${page}"
}

# dirs_of_seeds DIR: where those of --report_seeds were decoded, joined by commas
dirs_of_seeds() {
    local seed dirs=()
    for seed in ${report_seeds}; do dirs+=("${1//"${seed_suffix}"/_seed${seed}}/${inference_tag}"); done
    if [ -z "${report_seeds}" ]; then dirs=("$1/${inference_tag}"); fi
    (IFS=, && echo "${dirs[*]}")
}

training_seeds() {
    if [ -n "${train_seed}" ]; then
        echo "${report_seeds:-${train_seed}}"
        return
    fi
    sed -n 's/^seed: *//p' "${asr_config}" "${enh_config}" "${joint_configs[@]}" | sort -u | paste -sd ,
}

stage17() {
    local exp=${expdir}/enh_asr_${enh_asr_tag} scores=${numbers}
    begin "pack_${enh_asr_tag}" "$(digest "$(stamp "enh_asr_${enh_asr_tag}")" \
        "$(joint_checkpoint "${exp}")" "${data_note}" "${model_license}" \
        "$(digest_of "${inference_config}")")" "${exp}/packed" || return 0
    if [ ! -f "${scores}" ]; then scores=; fi
    run_job "${exp}/packed/export.log" python -m espnet_cbpc.bin.export --expdir "${exp}" \
        --model_file "${exp}/$(joint_checkpoint "${exp}")" --outdir "${exp}/packed" \
        --decode_config "${inference_config}" \
        --data "${data_note}" --license "${model_license}" \
        ${scores:+--results "${scores}" --system "${enh_asr_tag}"}
    finish "pack_${enh_asr_tag}"
}

stage18() {
    local packed=${expdir}/enh_asr_${enh_asr_tag}/packed
    [ -n "${hf_repo}" ] || { log "no upload: --hf_repo is not given"; return 0; }
    begin "upload_${enh_asr_tag}" "$(digest "$(stamp "pack_${enh_asr_tag}")" "${hf_repo}")" || return 0
    run_job "${packed}/upload.log" python -m espnet_cbpc.bin.upload --packed "${packed}" \
        --repo "${hf_repo}"
    finish "upload_${enh_asr_tag}"
}

# ---------------------------------------------------------------------------------------------

# how this release of ESPnet counts frames: what labels, tokenizers and statistics depend on
frames=$(python -c 'from espnet_cbpc.compat.releases import frame_counting
from espnet_cbpc.versions import check_versions
check_versions()
print(frame_counting())')
mkdir -p "${stamps}"
if command -v flock >/dev/null; then
    exec 9>"${stamps}/lock"
    # what a kill has just ended may take a moment to let go
    flock -w 10 9 || fail "another run works in ${expdir}; wait for it, or give another --expdir"
fi
titles=("" "data" "speed perturbation" "format" "length filter" "token list" "LM statistics"
    "LM training" "LM perplexity" "ASR on clean speech" "speech enhancement" "acoustic tokenizer"
    "joint statistics" "joint training" "inference" "scoring" "report" "pack for stock ESPnet"
    "upload")
enh_is_done=false # whether stage 10 ran beside stage 9
for number in $(seq "${stage}" "$((stop_stage < 18 ? stop_stage : 18))"); do
    if ${skip_train} && [ "${number}" -ge 6 ] && [ "${number}" -le 13 ]; then continue; fi
    if ! ${use_lm} && [ "${number}" -ge 6 ] && [ "${number}" -le 8 ]; then continue; fi
    if ${enh_is_done} && [ "${number}" -eq 10 ]; then continue; fi
    log "=== stage ${number}: ${titles[number]}"
    if [ "${number}" -eq 9 ] && [ "${train_nj}" -gt 1 ] && [ "${stop_stage}" -ge 10 ]; then
        log "=== stage 10: ${titles[10]}, at the same time"
        side_by_side 2
        start stage9
        start stage10
        wait_started
        enh_is_done=true
    else
        "stage${number}"
    fi
done
log "finished; ${SECONDS} seconds"
