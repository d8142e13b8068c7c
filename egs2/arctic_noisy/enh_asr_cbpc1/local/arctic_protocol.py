# SPDX-License-Identifier: Apache-2.0
"""The noisy sentences protocol: which recordings and mixtures make up which set.

Everything random is drawn here, from one generator, before any audio is written. Which orders are
held out of training is drawn first, so that the training set depends on the seed alone; then come
the tests, then dev. Training speech is mixed again in each epoch, so nothing is drawn for it.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from espnet_cbpc.data.noisy_sets.deck import NoiseDealer, left_clean
from espnet_cbpc.data.noisy_sets.noisy_mixture import Mixture
from espnet_cbpc.data.noisy_sets.nonspeech import HELD_OUT, UNSEEN, add_noise
from espnet_cbpc.data.noisy_sets.speech_folder import Recording

NUM_DEV_SENTENCES = 150  # b0001 to b0150; the other b sentences are for the tests
NUM_DEV_ORDERS = 40
SNR_RANGE = (-8, 15)
TEST_SNRS = (-5, 0, 5, 10)


class Speech(NamedTuple):
    """The recordings, sorted: Arctic sentences of one speaker, orders, sentences of another."""

    a: Sequence[Recording]
    b: Sequence[Recording]
    orders: Sequence[Recording]
    new: Sequence[Recording]


class Sets(NamedTuple):
    """The recordings to train on, and the mixtures of every other set by its name."""

    train: list[Recording]
    mixed: dict[str, list[Mixture]]


class Draw:
    """Draws the sets.

    Args:
        noises: samples of each noise file at its own rate.
        fs: sampling rate of the mixtures in Hz.
        seed: random seed.
    """

    def __init__(self, noises: Mapping[str, int], fs: int, seed: int):
        self.fs = fs
        self.rng = np.random.default_rng(seed)
        self.dealer = NoiseDealer(
            self.rng, partial(add_noise, self.rng, noises), SNR_RANGE, noise_first=False
        )

    def sets(self, speech: Speech, num_dev: int, num_test: int, num_newspk: int) -> Sets:
        """Return all sets, each sorted by id.

        Args:
            speech: what there is.
            num_dev: sentences in dev.
            num_test: sentences of the known speaker in a test.
            num_newspk: sentences of the unseen speaker in a test.
        """
        at_snrs = partial(self.dealer.at_snrs, snrs=TEST_SNRS)
        held_out = self._some(speech.orders, NUM_DEV_ORDERS)
        test = self._some(speech.b[NUM_DEV_SENTENCES:], num_test)
        new = self._some(speech.new, num_newspk)
        mixed = {
            "test_clean": [left_clean(u) for u in test],
            "test_seen": at_snrs(test, HELD_OUT),
            "test_unseen": at_snrs(test, UNSEEN),
            "test_newspk_clean": [left_clean(u) for u in new],
            "test_newspk_seen": at_snrs(new, HELD_OUT),
            "test_newspk_unseen": at_snrs(new, UNSEEN),
        }
        dev = self._some(speech.b[:NUM_DEV_SENTENCES], num_dev)
        mixed["dev_clean"] = [left_clean(u) for u in dev]
        mixed["dev"] = self.dealer.at_random_snr(dev, HELD_OUT)
        mixed["dev_noisy"] = at_snrs(dev, HELD_OUT)
        mixed["dev_newspk"] = at_snrs(held_out, HELD_OUT)
        mixed = {name: sorted(found, key=lambda m: m.id) for name, found in mixed.items()}
        kept_away = {mixture.id for mixture in held_out}
        return Sets([r for r in (*speech.a, *speech.orders) if r.id not in kept_away], mixed)

    def _some(self, recordings: Sequence[Recording], count: int) -> list[Mixture]:
        picked = self.rng.choice(len(recordings), count, replace=False).tolist()
        return [Mixture.of(recordings[place], self.fs, peak=None) for place in sorted(picked)]
