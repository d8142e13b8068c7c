# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# To be sourced: folders of the corpora. Variables set in the environment win; a recipe downloads a
# public corpus whose variable is empty to its downloads/.

# Free Spoken Digit Dataset: the folder of recordings {digit}_{speaker}_{index}.wav
export FSDD="${FSDD:-}"
# "100 Nonspeech Sounds" of G. Hu: the folder of n1.wav to n100.wav
export NONSPEECH="${NONSPEECH:-}"
# Arctic sentences read by Kathleen: the folder of arctic_*, or the repository with data/
export KATHLEEN="${KATHLEEN:-}"
# Picovoice's speech-to-intent benchmark: the folder of its clean speech, or the repository
export ORDERS="${ORDERS:-}"
# LJSpeech-1.1: the folder of metadata.csv and wavs/, or the one around it
export LJSPEECH="${LJSPEECH:-}"

# LibriSpeech (SLR12): the folder of dev-clean, test-clean and train-*, or the one around it
export LIBRISPEECH="${LIBRISPEECH:-}"
# Noises; recipes take those that are set. MUSAN (SLR17): the folder that holds noise/
export MUSAN="${MUSAN:-}"
# DEMAND: the folder of DKITCHEN/, DLIVING/, ... with ch01.wav each
export DEMAND="${DEMAND:-}"
# DNS Challenge: the folder of its noise files
export DNS_NOISE="${DNS_NOISE:-}"
# WHAM!: the folder of tr/, cv/ and tt/
export WHAM_NOISE="${WHAM_NOISE:-}"
# ESC-50: the folder that holds audio/
export ESC50="${ESC50:-}"
# Your own corpus, for recipes made by "espnet-cbpc new": a folder of clean speech with transcripts, and a
# folder of noise
export SPEECH="${SPEECH:-}"
export NOISE="${NOISE:-}"
# Room impulse responses: RIRS_NOISES (SLR28), or any folder of them
export RIRS="${RIRS:-}"
# VoiceBank + DEMAND (Valentini-Botinhao 2017): the folder of clean_trainset_28spk_wav/ and so on
export VCTK_NOISY="${VCTK_NOISY:-}"
