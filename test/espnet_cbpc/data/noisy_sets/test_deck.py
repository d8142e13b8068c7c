# SPDX-License-Identifier: Apache-2.0
"""Dealing noises: evenly, and in the order that published manifests were drawn in."""

import hashlib
import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from espnet_cbpc.data.noisy_sets import nonspeech
from espnet_cbpc.data.noisy_sets.deck import NoiseDealer
from espnet_cbpc.data.noisy_sets.noise_folder import NoiseFile
from espnet_cbpc.data.noisy_sets.noisy_corpus import NoisyCorpus, Protocol
from espnet_cbpc.data.noisy_sets.speech_folder import Recording

EGS2 = Path(__file__).resolve().parents[4] / "egs2"


@pytest.mark.parametrize("noise_first", [True, False])
def test_all_noises_come_once_before_any_comes_again(noise_first):
    dealer = NoiseDealer(np.random.default_rng(0), None, (0, 1), noise_first)
    dealt = dealer.deal("abc")
    rounds = ["".join(next(dealt) for _ in "abc") for _ in range(20)]
    assert {"".join(sorted(r)) for r in rounds} == {"abc"} and len(set(rounds)) == 6


def test_the_two_orders_deal_one_deck_from_its_two_ends():
    front, end = (
        NoiseDealer(np.random.default_rng(1), None, (0, 1), noise_first).deal(range(9))
        for noise_first in (False, True)
    )
    assert [next(front) for _ in range(9)] == [next(end) for _ in range(9)][::-1]


# What the code drew that made the published sets: a digest that changes means other sets.


@pytest.fixture
def local(monkeypatch):
    """Function: import modules of a recipe's local/."""

    def load(recipe, *names):
        folder = EGS2 / recipe / "enh_asr_cbpc1" / "local"
        monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
        return [importlib.import_module(name) for name in names]

    return load


def digest(sets):
    lines = [json.dumps([name, asdict(m)]) for name, mixtures in sets.items() for m in mixtures]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def test_mini_synth(local):
    (corpus,) = local("mini_synth", "mini_synth_corpus")
    assert digest(corpus.Draw(0).sets(1000, 80, 80)) == "04ee3a86227b664b"


def test_fsdd_noisy(local):
    corpus, protocol = local("fsdd_noisy", "fsdd_corpus", "fsdd_protocol")
    recordings = {name: 2000 + 7 * i % 3000 for i, name in enumerate(corpus.NAMES)}
    noises = {name: 20001 + 977 * i for i, name in enumerate(nonspeech.NAMES)}
    sets = protocol.Draw(recordings, noises, 8000, 0).sets(protocol.Sizes(140, 0.08, 200, 200))
    assert digest(sets) == "e0d5a15ae9e3c818"


def test_librispeech_noisy(local):
    protocol, corpora = local("librispeech_noisy", "librispeech_protocol", "noise_corpora")
    speech = [
        [Recording(f"{p}{i}-1-{i:04d}", f"{p}/{i}.flac", f"{p}{i}", "A") for i in range(60)]
        for p in "abc"
    ]
    shares = {"train": (0, 60), "dev": (60, 80), "seen": (80, 100), "unseen": (0, 100)}
    noises = {
        use: [corpora.Noise("ab"[i % 3 > 0], f"{use}/{i}.wav", share) for i in range(7)]
        for use, share in shares.items()
    }
    files = [noise.file for members in noises.values() for noise in members]
    sounds = {file: NoiseFile(16000, i, 9000 * i + 9000) for i, file in enumerate(files)}
    lengths = {r.file: (9000 + 1000 * i, 16000) for part in speech for i, r in enumerate(part)}
    sizes = protocol.Sizes(50, 40, (-5, 0, 10), (-5, 20), 0.1)
    draw = protocol.Draw(lengths, sounds, noises, 16000, sizes, 0)
    assert digest(draw.sets(*speech)) == "54b2efc80753e6e3"


def test_own_corpus():
    recordings = [
        Recording(f"s{i % 20:02d}-{i}", f"{i}.wav", f"s{i % 20:02d}", "A") for i in range(300)
    ]
    noises = {f"{i}.wav": NoiseFile(16000, 100 * i, 400000 * i + 9000) for i in range(10)}
    protocol = Protocol(8000, num_dev=20, num_test=20)
    assert digest(NoisyCorpus(recordings, noises, protocol, 0).sets()) == "360d59e7ce90e026"
