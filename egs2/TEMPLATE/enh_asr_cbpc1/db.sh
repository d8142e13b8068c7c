# shellcheck shell=bash
# To be sourced: where the corpora lie. What the caller's environment sets wins; a recipe fetches a
# corpus whose variable is empty into its downloads/ where the corpus is public.

# Free Spoken Digit Dataset: the folder of recordings {digit}_{speaker}_{index}.wav
export FSDD="${FSDD:-}"
# "100 Nonspeech Sounds" of G. Hu: the folder of n1.wav to n100.wav
export NONSPEECH="${NONSPEECH:-}"
# One's own corpus, for recipes made by setup.sh: a folder of clean speech with transcripts, and a
# folder of noise
export SPEECH="${SPEECH:-}"
export NOISE="${NOISE:-}"
