# SPDX-License-Identifier: Apache-2.0
"""Noisy sets of your own corpus: the speakers, noises and SNRs of each set.

The protocol is our own choice, that of the ``fsdd_noisy`` recipe for any speech and noise:

* speakers are dealt out to train, dev and test, so that no set shares one with another;
* noise files are seen or unseen; the first 60 % of a seen file are for train, the rest for dev and
  ``test_seen``; unseen files are for ``test_unseen`` alone;
* train and dev have a random ratio for each utterance, some of train stay clean; the utterances of
  the test are mixed at each of the test ratios, and are also there clean (``test_clean``).

Everything random is drawn from one generator before any audio is written, the test first, then dev,
then train, so that a change of the training set leaves the others as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from espnet_cbpc.data.noisy_sets.corpus_split import split_noises, split_speakers
from espnet_cbpc.data.noisy_sets.deck import NoiseDealer, left_clean
from espnet_cbpc.data.noisy_sets.noise_folder import NoiseFile
from espnet_cbpc.data.noisy_sets.noisy_mixture import Mixture
from espnet_cbpc.data.noisy_sets.speech_folder import Recording

SETS = ("train", "dev", "test_clean", "test_seen", "test_unseen")
TRAIN_PART = 0.6  # of a seen noise file
MAX_NOISE_SECONDS = 60  # of a noise file for one mixture: bounds the memory of long recordings


@dataclass(frozen=True)
class Protocol:
    """What to draw.

    Attributes:
        fs: sampling rate of the mixtures in Hz.
        dev_speakers: their names; none: drawn.
        test_speakers: likewise.
        dev_fraction: of the speakers, where they are drawn, one at least.
        test_fraction: likewise.
        unseen_noise: folders or files, below the noise folder, of the unseen noises; none: drawn.
        unseen_fraction: of the noise files, where they are drawn, one at least.
        snr_range: of train and dev in dB.
        test_snrs: of the test sets in dB.
        clean_fraction: of train, left clean.
        num_dev: utterances in dev at most.
        num_test: different utterances in the test at most.
    """

    fs: int
    dev_speakers: Sequence[str] = ()
    test_speakers: Sequence[str] = ()
    dev_fraction: float = 0.1
    test_fraction: float = 0.1
    unseen_noise: Sequence[str] = ()
    unseen_fraction: float = 0.3
    snr_range: tuple[float, float] = (-5, 20)
    test_snrs: Sequence[float] = (-5, 0, 5, 10, 15)
    clean_fraction: float = 0.08
    num_dev: int = 500
    num_test: int = 500


class NoisyCorpus:
    """Draws the sets.

    Args:
        recordings: the clean speech.
        noises: the noise files.
        protocol: what to draw.
        seed: random seed.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        noises: Mapping[str, NoiseFile],
        protocol: Protocol,
        seed: int,
    ):
        self.recordings = recordings
        self.noises = noises
        self.numbers = {noise: number for number, noise in enumerate(sorted(noises), 1)}
        self.protocol = protocol
        self.rng = np.random.default_rng(seed)
        self.dealer = NoiseDealer(self.rng, self._add_noise, protocol.snr_range, noise_first=True)

    def sets(self) -> dict[str, list[Mixture]]:
        """Return the mixtures of every set of ``SETS``, sorted by id.

        Raises:
            UserError: too few speakers or noises, or names that the corpus does not have.
        """
        p = self.protocol
        names = [recording.speaker for recording in self.recordings]
        speakers = split_speakers(
            names, p.dev_speakers, p.test_speakers, p.dev_fraction, p.test_fraction, self.rng
        )
        seen, unseen = split_noises(list(self.noises), p.unseen_noise, p.unseen_fraction, self.rng)
        heard, held_out = (
            [(noise, part) for noise in seen] for part in ((0, TRAIN_PART), (TRAIN_PART, 1))
        )
        unheard = [(noise, (0, 1)) for noise in unseen]
        test = self._utterances(speakers.test, p.num_test)
        dev = self._utterances(speakers.dev, p.num_dev)
        drawn = {
            "test_clean": [left_clean(u) for u in test],
            "test_seen": self.dealer.at_snrs(test, held_out, p.test_snrs, digits="g"),
            "test_unseen": self.dealer.at_snrs(test, unheard, p.test_snrs, digits="g"),
            "dev": self.dealer.at_random_snr(dev, held_out),
        }
        train = self._utterances(speakers.train, len(self.recordings))
        stay_clean = self.rng.random(len(train)) < p.clean_fraction
        drawn["train"] = [left_clean(u) for u, clean in zip(train, stay_clean) if clean]
        noisy = [u for u, clean in zip(train, stay_clean) if not clean]
        drawn["train"] += self.dealer.at_random_snr(noisy, heard)
        return {name: sorted(drawn[name], key=lambda mixture: mixture.id) for name in SETS}

    def _utterances(self, speakers: Sequence[str], most: int) -> list[Mixture]:
        """Return clean utterances, drawn if there are more than ``most``."""
        chosen = set(speakers)
        pool = [recording for recording in self.recordings if recording.speaker in chosen]
        if len(pool) > most:
            places = self.rng.choice(len(pool), size=most, replace=False).tolist()
            pool = [pool[place] for place in sorted(places)]
        return [Mixture.of(recording, self.protocol.fs) for recording in pool]

    def _add_noise(self, utterance: Mixture, dealt: tuple[str, tuple[float, float]]) -> Mixture:
        noise, part = dealt
        begin, end = self._window(self.noises[noise], part)
        length = (end - begin) * utterance.fs // self.noises[noise].rate
        return replace(
            utterance,
            id=f"{utterance.id}-n{self.numbers[noise]:04d}",
            noise=noise,
            segment=(begin, end),
            offset=int(self.rng.integers(length)),
        )

    def _window(self, noise: NoiseFile, part: tuple[float, float]) -> tuple[int, int]:
        """Return begin and end of a part of a noise file, of a random minute of it if longer."""
        begin, end = (round(noise.begin + share * (noise.end - noise.begin)) for share in part)
        longest = MAX_NOISE_SECONDS * noise.rate
        if end - begin > longest:
            begin = int(self.rng.integers(begin, end - longest, endpoint=True))
            end = begin + longest
        return begin, end
