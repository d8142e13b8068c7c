#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Stage 1: writes data/{train,dev,test_clean,test_seen,test_unseen} from the two folders that db.sh
# names, SPEECH (clean speech with transcripts) and NOISE. Called from the recipe directory. The
# options are those of prepare_noisy_corpus (see its --help), such as
#   local/data.sh --test_speakers ann bob --unseen_noise street --test_snrs 0 10 --fs 16000 --nj 2
# A corpus that is already noisy needs a script of its own here: README.md lists the files that
# it must write.
set -euo pipefail

# shellcheck source=/dev/null
. ./db.sh
# shellcheck source=/dev/null
. ./path.sh

exec python -m espnet_cbpc.bin.prepare_noisy_corpus --speech "${SPEECH}" --noise "${NOISE}" "$@"
