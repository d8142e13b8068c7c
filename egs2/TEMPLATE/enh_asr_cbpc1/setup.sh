#!/usr/bin/env bash
# Make the folder of a new recipe.
# Usage: egs2/TEMPLATE/enh_asr_cbpc1/setup.sh egs2/<corpus>/enh_asr_cbpc1
set -euo pipefail

template=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd -P)
root=$(cd "${template}/../../.." && pwd -P)

fail() { echo "setup.sh: error: $*" >&2; exit 1; }

[ $# -eq 1 ] || fail "one argument is needed, the new folder: egs2/<corpus>/enh_asr_cbpc1"
recipe=$(readlink -m -- "$1")
[ ! -e "${recipe}" ] || fail "${recipe} exists already; give another folder, or remove it first"
[ "$(dirname "$(dirname "${recipe}")")" = "${root}/egs2" ] \
    || fail "$1 is not of the form ${root}/egs2/<corpus>/enh_asr_cbpc1"

mkdir -p "$(dirname "${recipe}")"
new=$(mktemp -d "$(dirname "${recipe}")/.setup.XXXXXX")
trap 'rm -rf "${new}"' EXIT
chmod 755 "${new}"
mkdir "${new}/local" "${new}/conf"

for name in enh_asr_cbpc.sh compare.sh path.sh; do
    ln -s "../../TEMPLATE/enh_asr_cbpc1/${name}" "${new}/${name}"
done
cp "${template}/cmd.sh" "${template}/db.sh" "${new}"
find "${root}/conf" -maxdepth 1 -name '*.yaml' -exec cp {} "${new}/conf" \;

cat >"${new}/run.sh" <<'EOF'
#!/usr/bin/env bash
# What this recipe is: the names of its data sets and its choice of options. The stages themselves
# are those of enh_asr_cbpc.sh; options on the command line come last and win.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# train_set, valid_set and each of test_sets name a directory that local/data.sh makes in data/.
exec ./enh_asr_cbpc.sh \
    --train_set train \
    --valid_set dev \
    --test_sets "test_clean test_seen test_unseen" \
    "$@"
EOF

cat >"${new}/local/data.sh" <<'EOF'
#!/usr/bin/env bash
# Stage 1: writes data/{train,dev,test_clean,test_seen,test_unseen} from the two folders that db.sh
# names, SPEECH (clean speech with transcripts) and NOISE. Called from the recipe directory. The
# options are those of prepare_noisy_corpus (see its --help), such as
#   local/data.sh --test_speakers ann bob --unseen_noise street --test_snrs 0 10 --fs 16000 --nj 2
# A corpus that is noisy already needs a script of its own in this place:
# egs2/TEMPLATE/enh_asr_cbpc1/README.md says which files it must write.
set -euo pipefail

# shellcheck source=/dev/null
. ./db.sh
# shellcheck source=/dev/null
. ./path.sh

exec python -m espnet_cbpc.bin.prepare_noisy_corpus --speech "${SPEECH}" --noise "${NOISE}" "$@"
EOF

chmod 755 "${new}/run.sh" "${new}/local/data.sh"
mv "${new}" "${recipe}"
trap - EXIT
echo "${recipe} is made; name SPEECH and NOISE in its db.sh, then start its run.sh"
