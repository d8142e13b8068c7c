# SPDX-License-Identifier: Apache-2.0
"""Mixtures of a microphone array as lines of a manifest, from which each can be recreated.

Speech goes through a room, noise is what the array has recorded, or comes from places in the room.
"""

import dataclasses
import json
import math
from typing import NamedTuple, Optional

import numpy as np
import soxr

from espnet_cbpc.data.audio.audio_file import AudioError
from espnet_cbpc.data.audio.recording import read_recording_header
from espnet_cbpc.data.mixing.array_recording import read_channels
from espnet_cbpc.data.mixing.dynamic_mixer import Mixed
from espnet_cbpc.data.mixing.reverberation import convolve, reverberate_array
from espnet_cbpc.data.mixing.snr import PEAK, noise_gain, peak_gain
from espnet_cbpc.utils.cli import UserError


class ArrayNoise(NamedTuple):
    """A noise.

    Attributes:
        recording: by the array or, where there is a response, one whose first channel is taken.
        begin: its first sample, at its own rate.
        rir: recording of the room impulse responses from where it sounds to each microphone.
    """

    recording: str
    begin: int
    rir: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class ArrayMixture:
    """What is made of clean speech.

    Attributes:
        fs: sampling rate in Hz.
        channels: which of the array's channels the mixture has.
        ref_channel: that of the mixture which reference and SNR are of.
        level_db: gain of the speech before it is mixed.
        clean: whether the speech is left unchanged, in all channels alike.
        rir: recording of the room impulse responses from the speaker to each microphone; None: all
            hear the speech alike.
        early_ms: reflections that the reference keeps, in ms after the direct path.
        noises: which are added with equal power; none: reverberant speech alone.
        snr_db: ratio of the reference to the noise at the reference channel, over the speech-active
            samples.
    """

    fs: int
    channels: tuple[int, ...]
    ref_channel: int
    level_db: float = 0.0
    clean: bool = False
    rir: Optional[str] = None
    early_ms: float = 0.0
    noises: tuple[ArrayNoise, ...] = ()
    snr_db: Optional[float] = None

    @property
    def line(self) -> str:
        """Return the mixture as one line of JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def parse(cls, line: str) -> "ArrayMixture":
        """Return the mixture of a line.

        Raises:
            UserError: the line is no mixture.
        """
        try:
            values = json.loads(line)
            values["channels"] = tuple(values["channels"])
            values["noises"] = tuple(ArrayNoise(*noise) for noise in values["noises"])
            return cls(**values)
        except (ValueError, TypeError, KeyError) as e:
            raise UserError(f"not a mixture of an array ({e}): draw it again") from e


def render(mixture: ArrayMixture, clean: np.ndarray) -> Mixed:
    """Make the signals of a mixture.

    Args:
        mixture: what is made.
        clean: (samples,) clean speech.

    Returns:
        Noisy speech, (samples, channels) or, of one channel, (samples,); and the reference
        (samples,), the speech on the direct path (with early reflections) to the reference channel
        and aligned with the mixture there, which is aligned with ``clean``.

    Raises:
        SilentNoiseError: no noise where there is speech.
        UserError: silent speech, or a recording that cannot be used (``AudioError``).
    """
    clean = np.float32(10 ** (mixture.level_db / 20)) * np.asarray(clean, np.float32)
    if mixture.clean:
        clean = peak_gain(PEAK, clean) * clean
        return Mixed(_as_read(_copies(clean, mixture)), clean, "CLEAN")

    # 1. Room: (N,) -> the reference (N,) and what the microphones hear of the speech (C, N)
    reference, noisy = clean, _copies(clean, mixture)
    if mixture.rir is not None:
        reference, noisy = _reverberate(clean, mixture.rir, mixture)

    # 2. Noise: (C, N), by one gain for all channels
    if mixture.noises:
        noise = _noise(len(clean), mixture)
        assert mixture.snr_db is not None
        noise *= noise_gain(reference, noise[mixture.ref_channel], mixture.snr_db, mixture.fs)
        noisy = noisy + noise

    # 3. One gain for all, so that nothing clips
    gain = peak_gain(PEAK, noisy, reference)
    return Mixed(_as_read(gain * noisy), gain * reference, "SIMU")


def _copies(clean: np.ndarray, mixture: ArrayMixture) -> np.ndarray:
    return np.broadcast_to(clean, (len(mixture.channels), len(clean)))


def _as_read(signals: np.ndarray) -> np.ndarray:
    """Return signals (C, N) as audio files are read: (N, C), and (N,) of one channel."""
    return signals[0] if len(signals) == 1 else np.ascontiguousarray(signals.T)


def _reverberate(
    clean: np.ndarray, rir: str, mixture: ArrayMixture
) -> tuple[np.ndarray, np.ndarray]:
    rirs = _response(rir, mixture)
    try:
        return reverberate_array(clean, rirs, mixture.fs, mixture.early_ms, mixture.ref_channel)
    except UserError as e:
        raise AudioError(str(e), rir) from e


def _response(recording: str, mixture: ArrayMixture) -> np.ndarray:
    """Return room impulse responses (C, L)."""
    return read_channels(recording, mixture.channels, 0, read_recording_header(recording).frames)


def _noise(length: int, mixture: ArrayMixture) -> np.ndarray:
    """Return the sum of the noises (C, N), of equal power each at the reference channel."""
    total = np.zeros((len(mixture.channels), length), dtype=np.float32)
    for noise in mixture.noises:
        if noise.rir is None:
            heard = read_channels(noise.recording, mixture.channels, noise.begin, length)
        else:
            heard = _placed(noise, noise.rir, length, mixture)
        reference = heard[mixture.ref_channel]
        total += heard / np.float32(np.sqrt(np.vdot(reference, reference) / length) or 1.0)
    return total


def _placed(noise: ArrayNoise, rir: str, length: int, mixture: ArrayMixture) -> np.ndarray:
    """Return a noise of one channel as the microphones hear it from its place, (C, N)."""
    rirs = _response(rir, mixture)
    before = rirs.shape[1]  # the noise has sounded for long when the utterance begins
    rate = read_recording_header(noise.recording).rate
    count = math.ceil((before + length) / mixture.fs * rate) + 1
    source = read_channels(noise.recording, [0], noise.begin, count)[0]
    if rate != mixture.fs:
        source = soxr.resample(source, rate, mixture.fs)
    return convolve(source[: before + length], rirs, 0)[:, before:]
