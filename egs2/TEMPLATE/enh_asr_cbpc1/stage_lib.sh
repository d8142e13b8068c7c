# shellcheck shell=bash
# To be sourced by enh_asr_cbpc.sh: options, logging, jobs, and which stages are up to date.

log() { echo "$(date '+%Y-%m-%dT%H:%M:%S') $*"; }
fail() { echo "error: $*" >&2; exit 1; }

# parse_options ARGUMENT...: sets the variable of each --name value; a variable must exist already.
parse_options() {
    local name
    while [ $# -gt 0 ]; do
        case $1 in
            -h | --help) usage; exit 0 ;;
            --*) name=${1#--}; name=${name//-/_} ;;
            *) fail "$1: options are of the form --name value; see --help" ;;
        esac
        [ -n "${!name+set}" ] || fail "unknown option $1; see --help"
        [ $# -ge 2 ] || fail "option $1 needs a value"
        printf -v "${name}" '%s' "$2"
        shift 2
    done
}

# digest WORD...: a short fingerprint of the words; of files, give "$(digest_of FILE...)".
digest() { printf '%s\0' "$@" | sha256sum | cut -c 1-16; }
digest_of() { cat -- "$@" </dev/null | sha256sum | cut -c 1-16; }

# shellcheck disable=SC2154  # stamps, the folder of the stamps, and train_cmd are the caller's
# stamp NAME: the digest that NAME was done with, or none. What depends on NAME hashes it.
stamp() { if [ -f "${stamps}/$1.done" ]; then cat "${stamps}/$1.done"; else echo none; fi; }

# begin NAME DIGEST [DIR...]: false where NAME was done with DIGEST and each DIR is there. Where it
# was begun with DIGEST, or done but for some DIR, the DIRs stay, for the work to go on. What another
# DIGEST made is put aside as DIR.stale (one generation).
begin() {
    local name=$1 digest=$2 dir missing=false before
    shift 2
    before=$(cat "${stamps}/${name}.begun" 2>/dev/null || stamp "${name}")
    for dir; do [ -e "${dir}" ] || missing=true; done
    if [ "$(stamp "${name}")" = "${digest}" ] && ! ${missing}; then
        log "${name}: already done, skipped"
        return 1
    fi
    rm -f "${stamps}/${name}.done"
    if [ "${before}" = "${digest}" ]; then
        log "${name}: was interrupted or is incomplete, goes on"
    else
        for dir; do
            if [ -e "${dir}" ]; then
                log "${name}: ${dir} was made with other options or inputs: put aside as ${dir}.stale"
                rm -rf "${dir}.stale"
                mv "${dir}" "${dir}.stale"
            fi
        done
    fi
    echo "${digest}" >"${stamps}/${name}.begun"
}

# finish NAME: marks NAME as done with the digest that it was begun with.
finish() {
    mv "${stamps}/$1.begun" "${stamps}/$1.done"
    log "$1: done"
}

# Of a log, what tells the progress: ESPnet's epochs and our progress bars.
show_progress() {
    stdbuf -oL tr '\r' '\n' | sed -u -n -E \
        -e 's/^.*INFO: ([0-9]+\/[0-9]+)epoch started\.? ?(.*)$/  epoch \1 started. \2/p' \
        -e 's/^.*INFO: (The best model has been updated.*)$/    \1/p' \
        -e 's/^.*[0-9] (INFO|WARNING): (Niter.*)$/  \2/p' \
        -e '/[0-9]+%\|.*[0-9]+\/[0-9]+/p'
}

# gpus_of COMMAND...: the GPUs that a command asks for, as an option for train_cmd
gpus_of() {
    local word before=
    for word; do
        if [ "${before}" = --ngpu ] && [ "${word}" -gt 0 ]; then echo "--gpu ${word}"; return; fi
        before=${word}
    done
}

# run_job LOG COMMAND...: through train_cmd where cmd.sh names one, else here.
run_job() {
    local log_file=$1
    shift
    mkdir -p "$(dirname "${log_file}")"
    if [ -e "${log_file}" ]; then mv "${log_file}" "${log_file}.previous"; fi
    log "  log: ${log_file}"
    if [ -n "${train_cmd}" ]; then
        # shellcheck disable=SC2046,SC2086  # a command with its options
        ${train_cmd} $(gpus_of "$@") "${log_file}" "$@" || job_failed "${log_file}"
    else
        "$@" </dev/null 2>&1 | tee "${log_file}" | show_progress || job_failed "${log_file}"
    fi
}

# share N: of the threads, those of one of N processes; more would wait for one another
share() { echo $((OMP_NUM_THREADS > $1 ? OMP_NUM_THREADS / $1 : 1)); }

# side_by_side N: what is started from here on runs N at a time, each on its share of the threads.
side_by_side() {
    started_at_most=$1
    started=() # process by slot
    start_failed=false
}

# start FUNCTION ARGUMENT...: in the background, as soon as a slot is free. On this machine, slots take
# the GPUs in turn, where one is enough for each.
start() {
    local slot gpus
    while [ "${#started[@]}" -ge "${started_at_most}" ]; do wait_for_slot; done
    ! ${start_failed} || wait_started
    slot=0
    while [ -n "${started[slot]-}" ]; do slot=$((slot + 1)); done
    gpus=$(count_gpus)
    (
        OMP_NUM_THREADS=$(share "${started_at_most}")
        if [ -z "${train_cmd}" ] && [ "${ngpu:-0}" = 1 ] && [ "${gpus}" -gt 1 ]; then
            export CUDA_VISIBLE_DEVICES=$((slot % gpus))
        fi
        "$@"
    ) &
    started[slot]=$!
}

count_gpus() { { nvidia-smi -L 2>/dev/null || true; } | wc -l; }

# wait_for_slot: until one of the started has ended
wait_for_slot() {
    local slot
    while true; do
        for slot in "${!started[@]}"; do
            if kill -0 "${started[slot]}" 2>/dev/null; then continue; fi
            wait "${started[slot]}" || start_failed=true
            unset "started[slot]"
            return
        done
        sleep 0.5
    done
}

# wait_started: for all that was started; fails if one has.
wait_started() {
    while [ "${#started[@]}" -gt 0 ]; do wait_for_slot; done
    ! ${start_failed} || exit 1
}

# run_array NJ LOG COMMAND...: the command NJ times, the word JOB in LOG and COMMAND numbered from 1.
run_array() {
    local nj=$1 log_file=$2 job failed=0 pids=()
    shift 2
    mkdir -p "$(dirname "${log_file}")"
    log "  ${nj} jobs; logs: ${log_file}"
    if [ -n "${train_cmd}" ]; then
        # shellcheck disable=SC2046,SC2086  # a command with its options
        ${train_cmd} $(gpus_of "$@") "JOB=1:${nj}" "${log_file}" "$@" || job_failed "${log_file/JOB/1}"
        return
    fi
    for job in $(seq "${nj}"); do
        OMP_NUM_THREADS=$(share "${nj}") "${@//JOB/${job}}" </dev/null >"${log_file/JOB/${job}}" 2>&1 &
        pids+=($!)
    done
    for job in $(seq "${nj}"); do
        wait "${pids[job - 1]}" || failed=${job}
    done
    [ "${failed}" = 0 ] || job_failed "${log_file/JOB/${failed}}"
}

job_failed() {
    if [ -f "$1" ]; then grep -E '^error: ' "$1" >&2 || tail -n 15 "$1" >&2 || true; fi
    fail "a job failed; its log: $1"
}
