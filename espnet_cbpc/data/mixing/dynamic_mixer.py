# SPDX-License-Identifier: Apache-2.0
"""Dynamic mixing: a new noisy version of a clean utterance each time it is trained on.

Lengths do not change, since batches are sized before training; so speed is perturbed beforehand
(:mod:`espnet_cbpc.data.kaldi.speed_perturbation`), not here.
"""

from typing import NamedTuple, Optional

import numpy as np

from espnet_cbpc.data.audio.audio_file import AudioError, read_audio
from espnet_cbpc.data.mixing.dynamic_mixing_config import DynamicMixingConfig, read_recordings
from espnet_cbpc.data.mixing.random_part import random_part
from espnet_cbpc.data.mixing.reverberation import reverberate
from espnet_cbpc.data.mixing.snr import PEAK, SilentNoiseError, noise_gain, peak_gain
from espnet_cbpc.utils.cli import UserError

TRIES = 10  # recordings of noise may pause


class Mixed(NamedTuple):
    """What training sees, (samples,) float32 each, and the category, SIMU or CLEAN.

    Noisy multichannel speech is (samples, channels).
    """

    noisy: np.ndarray
    reference: np.ndarray
    category: str


class DynamicMixer:
    """Makes noisy speech from clean speech, with noise, level and room drawn at random.

    Args:
        config: what is drawn.

    Raises:
        UserError: a list of recordings is missing or empty, or names missing files.
    """

    num_channels = 1

    def __init__(self, config: DynamicMixingConfig):
        self.config = config
        self.noises = read_recordings("noise_scp", config.noise_scp)
        self.rirs: tuple[str, ...] = ()
        if config.rir_scp is not None:
            self.rirs = read_recordings("rir_scp", config.rir_scp)

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> Optional[Mixed]:
        """Draw a version of one utterance.

        Args:
            clean: (samples,) clean speech.
            rng: random generator.

        Returns:
            None if the utterance is to be taken as it is given. Else noisy speech and its reference
            (of a reverberated utterance: with early reflections), which are aligned with ``clean``
            and as long. The SNR is that of the reference to the noise: late reverberation counts
            for neither.

        Raises:
            UserError: a recording that cannot be read, silent speech, or nothing but silent noise.
        """
        kind = rng.random()
        if kind < self.config.given_prob:
            return None
        clean = 10 ** (rng.uniform(*self.config.level_db) / 20) * np.asarray(clean, np.float32)
        if kind < self.config.given_prob + self.config.clean_prob:
            clean = peak_gain(PEAK, clean) * clean
            return Mixed(clean, clean, "CLEAN")

        # 1. Room: (N,) -> the reference (N,) and what is heard of the speech (N,)
        reference = heard = clean
        if self.rirs and rng.random() < self.config.rir_prob:
            reference, heard = self._reverberate(clean, rng)

        # 2. Noise: (N,)
        noisy = self._noise(reference, rng)
        noisy += heard

        # 3. One gain for both, so that neither clips
        gain = peak_gain(PEAK, noisy, reference)
        return Mixed(gain * noisy, gain * reference, "SIMU")

    def _reverberate(
        self, clean: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        path = self.rirs[rng.integers(len(self.rirs))]
        rir, fs = read_audio(path, self.config.fs, channel=0)
        try:
            return reverberate(clean, rir, fs, self.config.early_ms)
        except UserError as e:
            raise AudioError(str(e), path) from e

    def _noise(self, speech: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        snr_db = rng.uniform(*self.config.snr_db)
        for _ in range(TRIES):
            try:
                noise = self._sum_of_noises(len(speech), rng)
                noise *= noise_gain(speech, noise, snr_db, self.config.fs)
                return noise
            except SilentNoiseError as e:
                silent = e
        raise UserError(
            f"{self.config.noise_scp}: none of {TRIES} excerpts drawn in a row has "
            "noise where there is speech: leave silent recordings out"
        ) from silent

    def _sum_of_noises(self, length: int, rng: np.random.Generator) -> np.ndarray:
        low, high = self.config.num_noises
        total = np.zeros(length, dtype=np.float32)
        for index in rng.integers(len(self.noises), size=rng.integers(low, high + 1)):
            noise = random_part(self.noises[index], length, self.config.fs, rng)
            total += noise / (np.sqrt(np.vdot(noise, noise) / length) or 1.0)
        return total
