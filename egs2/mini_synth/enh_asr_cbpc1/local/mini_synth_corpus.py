# SPDX-License-Identifier: Apache-2.0
"""The mini_synth corpus: who says what, in which noise.

Everything random is drawn here, from one generator, before anything is synthesised. The test sets
are drawn first, then dev, then train, so that the amount of training data does not change the
others. No sentence comes in two sets.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Optional, Union

import numpy as np
from generated_noise import SEEN_KINDS, UNSEEN_KINDS

from espnet_cbpc.data.noisy_sets.deck import NoiseDealer, left_clean
from espnet_cbpc.utils.cli import UserError

# A command grammar with a spelling alphabet in place of letters, whose names are too short and alike
# at 8 kHz for training of a few minutes.
GRAMMAR = (
    ("bring", "carry", "move", "place"),
    ("black", "green", "red", "yellow"),
    ("above", "behind", "near", "under"),
    (
        *("bravo", "charlie", "foxtrot", "hotel", "juliet"),
        *("november", "oscar", "quebec", "uniform", "victor"),
    ),
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    ("again", "first", "now", "slowly"),
)
SNR_RANGE = (-5.0, 20.0)
TEST_SNRS = (0, 5, 10)


# Voices of espeak-ng: variants (pitch, formants, breath) by the accent that they speak. No variant
# is in two of train, dev and test. The whispering ones (caleb, Reed) are left out: what they say is
# not the same samples each time.
TRAIN_VOICES = {
    "en": ("Andrea", "Diogo", "boris", "ed", "gustave", "iven2", "m4", "norbert"),
    "en-029": ("Gene", "Mario", "kaukovalta", "f4", "grandma", "m7"),
    "en-gb-scotland": ("Henrique", "Jacky", "antonio", "grandpa", "ian", "m6"),
    "en-gb-x-gbclan": ("Storm", "anika", "david", "edward2", "linda", "sandro"),
    "en-gb-x-rp": ("Alex", "Gene2", "Hugo", "benjamin", "f2", "iven", "iven4", "pedro"),
    "en-us": ("Andy", "Marco", "Michael", "iven3", "john", "m1", "steph2", "zac"),
    "en-us-nyc": ("Annie", "Mike", "announcer", "edward", "marcelo", "miguel"),
}
DEV_VOICES = {
    "en": ("m3", "travis"),
    "en-gb-x-rp": ("m2", "pablo"),
    "en-us": ("f1", "max"),
}
TEST_VOICES = {
    "en": ("Lee", "mike2"),
    "en-gb-x-rp": ("f5", "victor"),
    "en-us": ("f3", "m5", "paul", "steph3"),
}
RATES = (140, 185)  # words a minute
PITCHES = (30, 75)  # of 0 to 100

_ENGLISH = (
    "The train to the coast was late again, so we had our tea at the station and talked about it.",
    "Did you hear what happened at the market? Nobody would believe me when I told them.",
    "She had always wanted a garden with apple trees, and last spring they finally planted some.",
)
_GERMAN = (
    "Gestern haben wir lange auf den Bus gewartet, und dann fing es auch noch an zu regnen.",
    "Kannst du mir bitte sagen, wann das Konzert beginnt? Ich habe die Karten schon gekauft.",
)
_FRENCH = (
    "Nous sommes allés au marché ce matin, mais il n'y avait presque plus de fruits.",
    "Est-ce que tu connais la nouvelle voisine ? Elle joue du piano tous les soirs.",
)
# For each kind of babble, who talks in it and what; nobody there is a speaker of the corpus.
BABBLE = {
    "babble": {
        "en-us+adam": _ENGLISH,
        "en+rob": _ENGLISH[1:],
        "en-us+belinda": _ENGLISH[::-1],
        "en-gb-scotland+robert": _ENGLISH[2:],
        "en-us+Alicia": _ENGLISH[:2],
        "en-029+quincy": _ENGLISH[::2],
        "en-gb-x-rp+shelby": _ENGLISH[1::-1],
    },
    "foreign_babble": {
        "de+Denis": _GERMAN,
        "de+aunty": _GERMAN[::-1],
        "de+m8": _GERMAN[1:],
        "fr+michel": _FRENCH,
        "fr+steph": _FRENCH[::-1],
        "fr+Nguyen": _FRENCH[1:],
    },
}


@dataclass(frozen=True)
class Utterance:
    """What one utterance is made of.

    Attributes:
        id: begins with the speaker.
        speaker: who speaks.
        text: the words.
        voice: espeak-ng's name of the voice.
        rate: words a minute.
        pitch: 0 to 100.
        noise: the kind of noise; None leaves the speech clean.
        noise_seed: of that noise's own generator.
        snr: signal-to-noise ratio in dB.
    """

    id: str
    speaker: str
    text: str
    voice: str
    rate: int
    pitch: int
    noise: Optional[str] = None
    noise_seed: Optional[int] = None
    snr: Union[int, float, None] = None


class Draw:
    """Draws the sets from one generator."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.dealer = NoiseDealer(self.rng, self._add_noise, SNR_RANGE, noise_first=True)
        self._sentences = self.rng.permutation(int(np.prod([len(slot) for slot in GRAMMAR])))
        self._spoken = 0

    def sets(
        self, num_train: int, num_dev: int, num_test: int, clean_fraction: float = 0.1
    ) -> dict[str, list[Utterance]]:
        """Return the utterances of every set by its name, sorted by id.

        Raises:
            UserError: the grammar has fewer sentences.
        """
        wanted = num_train + num_dev + num_test
        if wanted > len(self._sentences):
            raise UserError(
                f"{wanted} utterances, but the grammar has only {len(self._sentences)} sentences: "
                "lower --num_train, --num_dev or --num_test"
            )
        test = self._speech("test", TEST_VOICES, num_test)
        dev = self._speech("dev", DEV_VOICES, num_dev)
        drawn = {
            "test_clean": [left_clean(u) for u in test],
            "test_seen": self.dealer.at_snrs(test, SEEN_KINDS, TEST_SNRS),
            "test_unseen": self.dealer.at_snrs(test, UNSEEN_KINDS, TEST_SNRS),
            "dev_clean": [left_clean(u) for u in dev],
            "dev": self.dealer.at_random_snr(dev, SEEN_KINDS),
        }
        train = self._speech("train", TRAIN_VOICES, num_train)
        clean = round(clean_fraction * num_train)
        shuffled = [train[i] for i in self.rng.permutation(num_train)]
        drawn["train"] = [left_clean(u) for u in shuffled[:clean]]
        drawn["train"] += self.dealer.at_random_snr(shuffled[clean:], SEEN_KINDS)
        return {name: sorted(found, key=lambda u: u.id) for name, found in drawn.items()}

    def _speech(self, name: str, voices: dict[str, Sequence[str]], count: int) -> list[Utterance]:
        """Draw clean utterances, the voices taking turns."""
        utterances = []
        speakers = [(accent, variant) for accent in voices for variant in voices[accent]]
        for number, (accent, variant) in zip(range(count), itertools.cycle(speakers)):
            choices = np.unravel_index(self._sentences[self._spoken], [len(s) for s in GRAMMAR])
            self._spoken += 1
            speaker = variant.lower()
            utterances.append(
                Utterance(
                    id=f"{speaker}-{name}-{number:05d}",
                    speaker=speaker,
                    text=" ".join(slot[i] for slot, i in zip(GRAMMAR, choices)),
                    voice=f"{accent}+{variant}",
                    rate=int(self.rng.integers(*RATES, endpoint=True)),
                    pitch=int(self.rng.integers(*PITCHES, endpoint=True)),
                )
            )
        return utterances

    def _add_noise(self, utterance: Utterance, kind: str) -> Utterance:
        seed = int(self.rng.integers(2**32))
        return replace(utterance, id=f"{utterance.id}-{kind}", noise=kind, noise_seed=seed)
