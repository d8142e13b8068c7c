# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# To be sourced: puts the recipe's Python environment first on PATH. A recipe made by "espnet-cbpc
# new" has the path of its Python in local/python. All others are in the repository, whose
# environment is set up by tools/setup_env.sh where that has not been done.

_cbpc_bin_of_python() {
    local bin
    bin=$(dirname "$(head -n 1 local/python)")
    if ! "${bin}/python" -c 'import espnet_cbpc' 2>/dev/null; then
        echo "path.sh: error: ${bin}/python cannot be run, or has no espnet-cbpc: install it there," \
            "or write the path of a Python that has it to ${PWD}/local/python" >&2
        return 1
    fi
    echo "${bin}"
}

# local/extras: what a recipe needs beside the rest, as names of extras of setup.py
_cbpc_bin_of_repository() {
    local root extras=""
    root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../.." && pwd -P)
    if [ -f local/extras ]; then extras=$(cat local/extras); fi
    MORE_EXTRAS=${extras} "${root}/tools/setup_env.sh"
}

if [ -f local/python ]; then
    _cbpc_bin=$(_cbpc_bin_of_python) || return 1
else
    _cbpc_bin=$(_cbpc_bin_of_repository) || return 1
fi
if [ "${PATH%%:*}" != "${_cbpc_bin}" ]; then
    export PATH="${_cbpc_bin}:${PATH}"
fi
unset _cbpc_bin
unset -f _cbpc_bin_of_python _cbpc_bin_of_repository

# Data directories are sorted by code point, and their text is UTF-8.
if locale -a 2>/dev/null | grep -qix 'C\.utf-\?8'; then
    export LC_ALL=C.UTF-8
else
    export LC_ALL=C
fi
export PYTHONIOENCODING=UTF-8
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$(nproc)}"
