# SPDX-License-Identifier: Apache-2.0
"""A small data directory with one utterance of each category."""

import sys
from pathlib import Path

import numpy as np
import pytest

from espnet_cbpc.data.audio.audio_file import write_audio
from espnet_cbpc.data.kaldi.kaldi_dir import write_data_dir

sys.path.insert(0, str(Path(__file__).parent))  # which pytest's importlib mode does not

FS = 8000


@pytest.fixture
def tone():
    """A function that makes a sine wave, (samples,)."""

    def make(seconds, fs=FS, level=0.25, hertz=440.0):
        return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * fs)) / fs)

    return make


def corpus_tables(folder):
    """The tables of the directory, all audio in ``folder``."""
    return {
        "wav.scp": {f"{key}-u": f"{folder}/{key}.wav" for key in ("clean", "real", "simu")},
        "spk1.scp": {"simu-u": f"{folder}/simu_clean.wav"},
        "noise1.scp": {"simu-u": f"{folder}/simu_noise.wav"},
        "utt2spk": {"clean-u": "ann", "real-u": "bob", "simu-u": "bob"},
        "text": {"clean-u": "one", "real-u": "two three", "simu-u": "four"},
        "utt2category": {"clean-u": "CLEAN", "real-u": "REAL", "simu-u": "SIMU"},
        "utt2snr": {"simu-u": "5"},
    }


@pytest.fixture
def corpus(tmp_path, tone):
    """Write the directory ``tmp_path/in`` and its audio in ``tmp_path/audio``."""
    audio = tmp_path / "audio"
    for name, seconds in {"clean": 0.5, "real": 0.6}.items():
        write_audio(audio / f"{name}.wav", tone(seconds), FS)
    clean, noise = tone(0.75), tone(0.75, hertz=1000.0, level=0.1)
    write_audio(audio / "simu.wav", clean + noise, FS)
    write_audio(audio / "simu_clean.wav", clean, FS)
    write_audio(audio / "simu_noise.wav", noise, FS)
    write_data_dir(tmp_path / "in", corpus_tables(audio))
    return tmp_path / "in"
