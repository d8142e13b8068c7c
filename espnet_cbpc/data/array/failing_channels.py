# SPDX-License-Identifier: Apache-2.0
"""Failing channels of an array recording: silent, dropping out, clipping, or unlike the others.

The organisers of CHiME-4 found the failing microphones of its real recordings by their
cross-correlation with the others (E. Vincent et al., "An analysis of environment, microphone and
data simulation mismatches in robust speech recognition", CSL 46, 2017). So here: what a channel has
in common with another one at the best delay, as all microphones hear the same sound. Beside that,
what the level of a channel tells, by itself and against that of the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from espnet_cbpc.data.audio.audio_file import PCM_16_STEP, AudioError

SILENT, DROPS_OUT, CLIPS, UNLIKE = "silent", "drops_out", "clips", "unlike_the_others"
ALL_FAIL = "all channels fail: leave the recording out"

BLOCK_SECONDS = 0.256  # over which channels are correlated
MOST_DELAY = 0.016  # seconds between microphones: 5 m of sound's way
FRAME_SECONDS = 0.016  # of which the level is looked at
LEAST_LEVEL = PCM_16_STEP  # RMS of digital silence: less than a step of 16 bits
FAINT = 10 ** (-60 / 20)  # against the median of the channels: a microphone that is off
LEAST_SOUND = 8 * PCM_16_STEP  # RMS of a frame in which a channel may be missed
LEAST_DROP = 10 ** (-30 / 20)  # in a frame, against what the other channels let expect
DROPPED_SECONDS = 0.1  # in all; less is not seen in the statistics of an utterance
CLIPPED_SHARE, LEAST_CLIPPED = 0.002, 20  # samples at the very highest or lowest value
LEAST_PEAK = 64 * PCM_16_STEP  # below which many samples have the highest value by chance
LEAST_SHARE = 0.3  # of the median channel's correlation


@dataclass(frozen=True)
class FailingChannel:
    """A channel that fails.

    Attributes:
        channel: from 0.
        reason: one of ``SILENT``, ``DROPS_OUT``, ``CLIPS``, ``UNLIKE``.
        correlation: with the other channel that it has most in common with, from 0 to 1.
        replaced_by: the good channel to take instead.
    """

    channel: int
    reason: str
    correlation: float
    replaced_by: int

    def __str__(self) -> str:
        fields = (self.channel, self.reason, f"{self.correlation:.2f}", self.replaced_by)
        return ":".join(map(str, fields))


def failing_channels(samples: np.ndarray, fs: int, where: str) -> list[FailingChannel]:
    """Find the channels of a recording that fail.

    Args:
        samples: (samples, channels), two channels or more.
        fs: sampling rate in Hz.
        where: the recording, for the error.

    Returns:
        Those that fail, by their numbers; none of what is shorter than a frame. Two channels that
        are unlike one another do not show which of them fails, and are both kept.

    Raises:
        AudioError: all channels fail.
    """
    if len(samples) < round(FRAME_SECONDS * fs):
        return []
    samples = np.asfortranarray(samples)  # each channel in one piece: twice as fast
    correlations = channel_correlations(samples, fs)  # (C, C)
    reasons = _reasons(samples, fs, correlations)
    good = [channel for channel in range(samples.shape[1]) if channel not in reasons]
    if not good:
        raise AudioError(ALL_FAIL, where)
    return [
        FailingChannel(c, reason, float(correlations[c].max()), _nearest(c, good, correlations))
        for c, reason in sorted(reasons.items())
    ]


def kept_channels(count: int, failing: Sequence[FailingChannel]) -> list[int]:
    """Return the channel to take for each of ``count``: itself, or what replaces it."""
    instead = {one.channel: one.replaced_by for one in failing}
    return [instead.get(channel, channel) for channel in range(count)]


def _nearest(channel: int, good: Sequence[int], correlations: np.ndarray) -> int:
    """Return the good channel with most in common; for one without anything, the most central."""
    if correlations[channel, good].any():
        return max(good, key=lambda other: correlations[channel, other])
    return max(good, key=lambda other: correlations[other, good].sum())


def _reasons(samples: np.ndarray, fs: int, correlations: np.ndarray) -> dict[int, str]:
    levels = _levels(samples, fs)  # (frames, C)
    overall = np.sqrt(np.mean(levels**2, axis=0))
    quiet = (overall < LEAST_LEVEL) | (overall < FAINT * np.median(overall))
    reasons = {int(channel): SILENT for channel in np.flatnonzero(quiet)}
    dropped = _dropped_frames(levels, overall) * FRAME_SECONDS >= DROPPED_SECONDS
    unlike = _unlike(correlations, np.flatnonzero(~quiet))
    for found, reason in ((dropped, DROPS_OUT), (unlike, UNLIKE), (_clips(samples), CLIPS)):
        for channel in np.flatnonzero(found):
            reasons.setdefault(int(channel), reason)
    return reasons


def _unlike(correlations: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """Return which of the channels that are heard have little in common with most of the others."""
    unlike = np.zeros(len(correlations), bool)
    if len(heard) > 2:
        among = correlations[np.ix_(heard, heard)]
        others = among[~np.eye(len(heard), dtype=bool)].reshape(len(heard), -1)
        usual = np.median(others, axis=1)
        unlike[heard] = usual < LEAST_SHARE * np.median(usual)
    return unlike


def channel_correlations(samples: np.ndarray, fs: int) -> np.ndarray:
    """Return what each two channels have in common.

    Args:
        samples: (samples, channels).
        fs: sampling rate in Hz.

    Returns:
        (C, C): the largest magnitude of the normalised cross-correlation over the delays that may
        be between microphones, 0 on the diagonal. Loud parts count no more than soft ones.
    """
    size, count = round(BLOCK_SECONDS * fs), samples.shape[1]
    one, other = np.triu_indices(count, k=1)
    energies = np.zeros(count)
    cross = np.zeros((len(one), size + 1), complex)  # spectra
    for begin in range(0, len(samples), size):
        block = samples[begin : begin + size].astype(np.float64)
        block -= block.mean(axis=0)
        power = np.sum(block**2, axis=0)
        weight = np.median(power[power > 0]) if power.any() else 1.0
        spectrum = np.fft.rfft(block, 2 * size, axis=0).T  # (C, size + 1)
        energies += power / weight
        cross += spectrum[one] * spectrum[other].conj() / weight
    delays = np.fft.irfft(cross, 2 * size)
    most = min(size, round(MOST_DELAY * fs))
    peaks = np.abs(np.concatenate([delays[:, : most + 1], delays[:, -most:]], axis=1)).max(axis=1)
    found = np.zeros((count, count))
    found[one, other] = peaks / np.maximum(np.sqrt(energies[one] * energies[other]), 1e-30)
    return found + found.T


def _levels(samples: np.ndarray, fs: int) -> np.ndarray:
    """Return the RMS of each frame without its mean, (frames, C); of a shorter end, nothing."""
    size = round(FRAME_SECONDS * fs)
    frames = len(samples) // size
    framed = samples[: frames * size].reshape(frames, size, samples.shape[1])
    return framed.std(axis=1)


def _dropped_frames(levels: np.ndarray, overall: np.ndarray) -> np.ndarray:
    """Return in how many frames each channel is far below what the others let expect."""
    relative = levels / np.maximum(overall, LEAST_LEVEL)
    usual = np.median(relative, axis=1, keepdims=True)
    sounding = usual * np.median(overall) > LEAST_SOUND
    return np.sum((relative < LEAST_DROP * usual) & sounding, axis=0)


def _clips(samples: np.ndarray) -> np.ndarray:
    """Return which channels have a part of their samples at the highest or lowest value."""
    high, low = samples.max(axis=0), samples.min(axis=0)
    count = np.sum(samples == high, axis=0) + np.sum(samples == low, axis=0)
    many = count > max(LEAST_CLIPPED, CLIPPED_SHARE * len(samples))
    return many & (np.maximum(high, -low) > LEAST_PEAK)
