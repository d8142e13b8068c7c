#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Make the Python environment tools/venv, or bring it up to date, and print its bin directory.
# Nothing happens where it is complete already. An activated environment (venv or conda) that has
# this package and ESPnet installed is used as it is. A new one is made with the newest Python that
# is supported and works, so that it gets the current ESPnet, or with PYTHON. VENV is another place,
# EXTRAS are others of setup.py, MORE_EXTRAS (of a recipe) come on top.
# Usage: tools/setup_env.sh            PYTHON=python3.11 VENV=tools/venv311 tools/setup_env.sh
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$(realpath -m -- "${VENV:-${root}/tools/venv}")
extras=${EXTRAS:-test,report}${MORE_EXTRAS:+,${MORE_EXTRAS}}
stamp="${venv}/.complete"
log="${root}/tools/setup_env.log"
candidates="python3.13 python3.12 python3.11 python3.10 python3.9 python3"

say() { echo "setup_env.sh: $*" >&2; }
fail() { say "error: $*"; exit 1; }

# Prints the activated environment if the package can be used from there.
activated() {
    local prefix=${VIRTUAL_ENV:-${CONDA_PREFIX:-}}
    [ -n "${prefix}" ] && [ ! "${prefix}" -ef "${venv}" ] || return 1
    [ -x "${prefix}/bin/python" ] || return 1
    # From /, lest the repository in the working directory be taken for an installed package.
    (cd / && "${prefix}/bin/python" -c '
import importlib.util, sys
sys.exit(not all(map(importlib.util.find_spec, ("espnet_cbpc", "espnet2"))))') || return 1
    echo "${prefix}/bin"
}

# What the environment was made by: a moved repository or another Python needs a new one ...
origin() { echo "${root} $("$1" -c 'import platform; print(platform.python_version())')"; }
# ... while changed requirements need an update.
requirements() {
    { cat "${root}/setup.py" "${root}/espnet_cbpc/versions.py" && echo "${1-}"; } | cksum
}

same_origin() {
    [ -f "${stamp}" ] && [ -x "${venv}/bin/python" ] || return 1
    local built
    built=$(head -n 1 "${stamp}")
    [ "${built}" = "$(origin "${venv}/bin/python" 2>/dev/null)" ] || return 1
    [ -z "${PYTHON:-}" ] || [ "${built}" = "$(origin "${PYTHON}" 2>/dev/null)" ]
}
# One with more extras than are asked for is complete too.
complete() {
    local made_with name
    same_origin || return 1
    made_with=$(sed -n 2p "${stamp}")
    [ "$(tail -n 1 "${stamp}")" = "$(requirements "${made_with}")" ] || return 1
    local asked=${EXTRAS:-},${MORE_EXTRAS:-}
    for name in ${asked//,/ }; do
        [[ ",${made_with}," = *",${name},"* ]] || return 1
    done
}

# Prints the newest Python that can make the environment; else the one to complain about.
choose_python() {
    local python
    for python in ${candidates}; do
        # in a shell of its own, which fail ends; a shim of pyenv may be there and not start
        if (check_python "${python}") 2>/dev/null; then echo "${python}"; return; fi
    done
    for python in ${candidates}; do
        if "${python}" -c '' 2>/dev/null; then echo "${python}"; return; fi
    done
    echo python3
}

check_python() {
    local python=$1 range version
    command -v "${python}" >/dev/null \
        || fail "${python} not found; install Python, or name one: PYTHON=/path/to/python3"
    range=$(sed -n 's/^PYTHON = "\(.*\)"$/\1/p' "${root}/espnet_cbpc/versions.py")
    version=$("${python}" -c 'import sys; print("%d.%d" % sys.version_info[:2])') \
        || fail "${python} cannot be run; name a working one: PYTHON=/path/to/python3"
    "${python}" -c '
import re, sys
low, high = [tuple(map(int, v)) for v in re.findall(r"(\d+)\.(\d+)", sys.argv[1])]
sys.exit(not low <= sys.version_info[:2] < high)' "${range}" \
        || fail "${python} is Python ${version}, but Python ${range} is needed;" \
            "name a fitting one: PYTHON=/path/to/python3"
    "${python}" -c 'import ensurepip, venv' 2>/dev/null \
        || fail "${python} has no venv module; install it (Debian, Ubuntu: apt install" \
            "python${version}-venv) or name another Python: PYTHON=/path/to/python3"
    # pesq, pyworld and others may have to be built from source.
    command -v "${CC:-cc}" >/dev/null || command -v gcc >/dev/null \
        || fail "no C compiler found; install one (Debian, Ubuntu: apt install build-essential)"
    "${python}" -c '
import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' \
        || fail "${python} has no header files (Python.h); install them (Debian, Ubuntu: apt" \
            "install python${version}-dev) or name another Python: PYTHON=/path/to/python3"
}

# Shows pip's doings: one line that is overwritten, or on no terminal one line in 30 seconds.
progress() {
    local line last=-30
    while IFS= read -r line; do
        case ${line} in
            *Collecting* | *Downloading* | *Building* | *Installing*) ;;
            *) continue ;;
        esac
        line="${SECONDS} s: ${line#"${line%%[![:space:]]*}"}"
        if [ -t 2 ]; then
            printf '\r\033[K%s' "${line:0:75}" >&2
        elif ((SECONDS - last >= 30)); then
            say "${line:0:75}"
            last=${SECONDS}
        fi
    done
    if [ -t 2 ]; then printf '\r\033[K' >&2; fi
}

install() {
    local made_by made_with name
    if same_origin; then
        say "updating ${venv} (log: ${log})"
        made_with=$(sed -n 2p "${stamp}")
        for name in ${made_with//,/ }; do # what it has already, it keeps
            [[ ",${extras}," = *",${name},"* ]] || extras+=,${name}
        done
    else
        local python=${PYTHON:-}
        if [ -z "${python}" ]; then python=$(choose_python); fi
        check_python "${python}"
        say "making ${venv} with ${python}: a few minutes, once (log: ${log})"
        rm -rf "${venv}"
        "${python}" -m venv "${venv}" </dev/null >"${log}" 2>&1 \
            || fail_with_log "python -m venv failed"
    fi
    made_by=$(origin "${venv}/bin/python")
    rm -f "${stamp}" # from here to the end the environment is incomplete
    (
        cd "${root}"
        PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_PROGRESS_BAR=off \
            "${venv}/bin/python" -m pip install -e ".[${extras}]" </dev/null 2>&1
    ) | tee "${log}" | progress || fail_with_log "pip install failed"
    printf '%s\n' "${made_by}" "${extras}" "$(requirements "${extras}")" >"${stamp}.new"
    mv "${stamp}.new" "${stamp}"
    say "${venv} is ready after ${SECONDS} s"
}

fail_with_log() {
    tail -n 15 "${log}" >&2
    fail "$1 (the end of ${log} is above); put it right and run this again"
}

if activated; then exit 0; fi
if ! complete; then
    exec 9>"${root}/tools/.setup_env.lock"
    if command -v flock >/dev/null && ! flock -n 9; then
        say "waiting for another set-up to finish"
        flock 9
    fi
    complete || install
fi
echo "${venv}/bin"
