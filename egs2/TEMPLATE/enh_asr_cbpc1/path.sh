# shellcheck shell=bash
# To be sourced: finds the repository, and puts its Python environment first on PATH. The
# environment is set up by tools/setup_env.sh where that has not been done.

MAIN_ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../.." && pwd -P)
export MAIN_ROOT

# local/extras: what this recipe needs beside the rest, as names of extras of setup.py
_cbpc_extras=$(if [ -f local/extras ]; then cat local/extras; fi)
_cbpc_bin=$(MORE_EXTRAS="${_cbpc_extras}" "${MAIN_ROOT}/tools/setup_env.sh") || return 1
if [ "${PATH%%:*}" != "${_cbpc_bin}" ]; then
    export PATH="${_cbpc_bin}:${PATH}"
fi
unset _cbpc_bin _cbpc_extras

# Data directories are sorted by code point, and their text is UTF-8.
if locale -a 2>/dev/null | grep -qix 'C\.utf-\?8'; then
    export LC_ALL=C.UTF-8
else
    export LC_ALL=C
fi
export PYTHONIOENCODING=UTF-8
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$(nproc)}"
