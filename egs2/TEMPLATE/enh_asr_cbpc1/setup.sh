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

for name in enh_asr_cbpc.sh path.sh; do
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
./enh_asr_cbpc.sh \
    --train_set train \
    --valid_set dev \
    --test_sets "test" \
    "$@"
EOF

cat >"${new}/local/data.sh" <<'EOF'
#!/usr/bin/env bash
# Stage 1: makes data/train, data/dev and data/test from the corpus, each with these files, one line
# per utterance and sorted by utterance id (LC_ALL=C sort):
#   wav.scp        <utterance> <path of the noisy recording>
#   text           <utterance> <transcript>
#   utt2spk        <utterance> <speaker>
#   spk2utt        <speaker> <utterance> ...
#   spk1.scp       <utterance> <path of the clean reference>; real recordings have no line here
#   utt2category   <utterance> SIMU, REAL (no clean reference) or CLEAN
#   noise1.scp     <utterance> <path of the noise alone>; may be left out
# Files such as utt2snr and utt2noise (<utterance> <value>) break the results down by that value.
# Speakers and noises of the test sets must not occur in the training set.
set -euo pipefail

. ./path.sh
. ./db.sh

# db.sh names the corpus: add a variable there, and check here that it is set. Then remove these
# two lines and write the files.
echo "local/data.sh: error: this recipe does not make its data yet; see the comment therein" >&2
exit 1
EOF

chmod 755 "${new}/run.sh" "${new}/local/data.sh"
mv "${new}" "${recipe}"
trap - EXIT
echo "${recipe} is made; write its local/data.sh and run.sh, and name the corpus in its db.sh"
