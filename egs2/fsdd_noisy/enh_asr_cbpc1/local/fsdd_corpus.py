# SPDX-License-Identifier: Apache-2.0
"""The Free Spoken Digit Dataset: where it comes from, and which files it has."""

from espnet_cbpc.data.noisy_sets.corpus import Corpus

FSDD = Corpus(
    variable="FSDD",
    url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.zip",
    folder="recordings",
    files="[0-9]_*_*.wav",
)
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
NAMES = tuple(f"{d}_{s}_{i}.wav" for d in range(10) for s in SPEAKERS for i in range(50))
RATE = 8000
