# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# To be sourced: folders of the corpora. Variables set in the environment win.

# CHiME-4 (LDC2017S24 has the recordings under the name CHiME3): the folder that holds data/
export CHIME4="${CHIME4:-}"
# WSJ0 (LDC93S6A): needed only where CHIME4 lacks data/WSJ0 or isolated/tr05_org
export WSJ0="${WSJ0:-}"
# The CHiME4_diff archive: the 1ch track's lists that CHIME4 lacks, for references of et05_simu
export CHIME4_DIFF="${CHIME4_DIFF:-}"
