# SPDX-License-Identifier: Apache-2.0
"""Noises made by formula, each drawn at random from its kind, so that no two are equal.

Kinds in ``SEEN_KINDS`` are for training, development and matched tests; those in
``UNSEEN_KINDS`` differ from them in structure (impulses, sweeps, other languages, engines) and are
for tests alone. The babbles are mixed from speech from the caller.
"""

from collections.abc import Sequence
from typing import Callable

import numpy as np
import scipy.interpolate
import scipy.signal

SEEN_KINDS = ("babble", "hum", "pink", "white", "wind")
UNSEEN_KINDS = ("clatter", "engine", "foreign_babble", "siren")
BABBLE_KINDS = ("babble", "foreign_babble")


def make_noise(
    kind: str, length: int, fs: int, rng: np.random.Generator, talkers: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """Make one noise.

    Args:
        kind: One of ``SEEN_KINDS`` and ``UNSEEN_KINDS``.
        length: Number of samples.
        fs: Sampling rate in Hz.
        rng: Random generator.
        talkers: For the babbles: speech signals, each of any length, to mix from.

    Returns:
        float32 samples of shape (length,) with zero mean and unit root mean square; all zero only
        if every talker pauses all the while.

    Raises:
        ValueError: an unknown kind, or a babble without talkers.
    """
    if kind in BABBLE_KINDS:
        noise = _babble(length, rng, talkers)
    elif kind in _MAKERS:
        noise = _MAKERS[kind](length, fs, rng)
    else:
        raise ValueError(f"unknown noise kind {kind!r}: choose from {SEEN_KINDS + UNSEEN_KINDS}")
    return _unit(noise).astype(np.float32)


def _unit(x: np.ndarray) -> np.ndarray:
    x = x - x.mean()
    return x / (np.sqrt(np.mean(x**2)) or 1.0)  # a talker may pause all the while


def _coloured(
    length: int, fs: int, rng: np.random.Generator, exponent: float, low: float, high: float
) -> np.ndarray:
    """Gaussian noise whose power falls as 1/f^exponent between two edges (Hz), none outside."""
    # The transform is a power of two, longer than the noise, so that its ends do not meet.
    n = 1 << int(np.ceil(np.log2(2 * length)))
    frequency = np.fft.rfftfreq(n, 1 / fs)
    inside = (frequency >= low) & (frequency <= high)
    gain = np.zeros(len(frequency))
    gain[inside] = frequency[inside] ** (-exponent / 2)
    noise = rng.standard_normal(len(gain)) + 1j * rng.standard_normal(len(gain))
    return _unit(np.fft.irfft(gain * noise, n)[:length])


def _slow_envelope(
    length: int, fs: int, rng: np.random.Generator, rate: float, depth_db: float
) -> np.ndarray:
    """Positive gain that wanders by ``depth_db`` (standard deviation), ``rate`` times a second."""
    knots = rng.standard_normal(int(np.ceil(length / fs * rate)) + 4)
    position = rng.uniform(1, 2) + np.arange(length) * rate / fs
    wander = scipy.interpolate.CubicSpline(np.arange(len(knots)), knots)(position)
    return 10 ** (depth_db * wander / 20)


def _harmonics(
    phase: np.ndarray, top: int, rng: np.random.Generator, decay: float, spread_db: float = 6.0
) -> np.ndarray:
    """Sum of the harmonics 1 to ``top`` of a phase (radians), falling as 1/k^decay, jittered."""
    total = np.zeros(len(phase))
    for k in range(1, top + 1):
        gain = k**-decay * 10 ** (rng.normal(0, spread_db) / 20)
        total += gain * np.sin(k * phase + rng.uniform(0, 2 * np.pi))
    return _unit(total)


def _white(length: int, fs: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(length)


def _pink(length: int, fs: int, rng: np.random.Generator) -> np.ndarray:
    return _coloured(length, fs, rng, exponent=1.0, low=20, high=fs / 2)


def _hum(length: int, fs: int, rng: np.random.Generator) -> np.ndarray:
    """Mains hum of a buzzing device: 50 or 60 Hz, many harmonics, a little hiss."""
    mains = rng.choice([50.0, 60.0]) * rng.uniform(0.995, 1.005)
    phase = 2 * np.pi * mains * np.arange(length) / fs
    top = int(rng.uniform(0.4, 0.9) * fs / 2 / mains)
    buzz = _harmonics(phase, top, rng, decay=rng.uniform(0.3, 1.0))
    return buzz + 10 ** (rng.uniform(-30, -15) / 20) * rng.standard_normal(length)


def _wind(length: int, fs: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of a random slope and lower edge that swells and falls in gusts."""
    noise = _coloured(length, fs, rng, rng.uniform(0.7, 2.2), rng.uniform(30, 300), fs / 2)
    return noise * _slow_envelope(length, fs, rng, rng.uniform(0.7, 3.0), rng.uniform(4, 8))


def _clatter(length: int, fs: int, rng: np.random.Generator) -> np.ndarray:
    """Struck objects: bursts of resonant noise at random times, over a faint room noise."""
    total = 0.02 * rng.standard_normal(length)
    tail = int(0.25 * fs)
    rate = rng.uniform(4, 12)
    hits = max(2, rng.poisson(rate * length / fs))
    for start in rng.integers(0, length, hits):
        low = rng.uniform(0.08, 0.6) * fs / 2
        sos = scipy.signal.butter(
            2, [low, min(low * rng.uniform(1.2, 2.0), 0.95 * fs / 2)], "band", fs=fs, output="sos"
        )
        decay = np.exp(-np.arange(tail) / fs / rng.uniform(0.008, 0.05))
        burst = scipy.signal.sosfilt(sos, rng.standard_normal(tail)) * decay
        burst *= 10 ** (rng.normal(0, 5) / 20) / np.sqrt(np.mean(burst[: int(0.02 * fs)] ** 2))
        total[start : start + tail] += burst[: length - start]
    return total


def _siren(length: int, fs: int, rng: np.random.Generator) -> np.ndarray:
    """Tone with harmonics that sweeps, or jumps between two notes, over a faint street noise."""
    low = rng.uniform(350, 800)
    high = low * rng.uniform(1.3, 2.2)
    cycles = rng.uniform(0.4, 4.0) * np.arange(length) / fs + rng.uniform()
    shape = {
        "sine": (1 + np.sin(2 * np.pi * cycles)) / 2,
        "saw": cycles % 1,
        "triangle": np.abs(2 * (cycles % 1) - 1),
        "two notes": (cycles % 1 < 0.5).astype(float),
    }[rng.choice(["sine", "saw", "triangle", "two notes"])]
    frequency = low * (high / low) ** shape
    phase = 2 * np.pi * np.cumsum(frequency) / fs
    tone = _harmonics(phase, int(0.95 * fs / 2 / high), rng, decay=rng.uniform(0.6, 1.5))
    return tone + 10 ** (rng.uniform(-25, -15) / 20) * _pink(length, fs, rng)


def _engine(length: int, fs: int, rng: np.random.Generator) -> np.ndarray:
    """Brown rumble and the harmonics of a firing rate that drifts, throbbing at half that rate."""
    firing = rng.uniform(25, 90) * _slow_envelope(length, fs, rng, 0.7, 1.0)
    phase = 2 * np.pi * np.cumsum(firing) / fs
    top = int(rng.uniform(0.3, 0.7) * fs / 2 / firing.max())
    throb = 1 + rng.uniform(0.3, 0.9) * np.sin(phase / 2)
    strokes = _harmonics(phase, top, rng, decay=rng.uniform(0.3, 0.9)) * throb
    rumble = _coloured(length, fs, rng, exponent=2.0, low=25, high=fs / 2)
    return _unit(strokes) + rng.uniform(0.3, 1.0) * rumble


def _babble(length: int, rng: np.random.Generator, talkers: Sequence[np.ndarray]) -> np.ndarray:
    """Three to six of the talkers at once, each looped from a random point, at unlike levels."""
    if not len(talkers):
        raise ValueError("babble needs talkers: speech signals to mix")
    chosen = rng.choice(len(talkers), min(len(talkers), rng.integers(3, 7)), replace=False)
    total = np.zeros(length)
    for i in chosen:
        start = rng.integers(len(talkers[i]))
        looped = np.take(talkers[i], np.arange(start, start + length), mode="wrap")
        total += 10 ** (rng.uniform(-6, 0) / 20) * _unit(looped)
    return total


_MAKERS: dict[str, Callable[[int, int, np.random.Generator], np.ndarray]] = {
    "clatter": _clatter,
    "engine": _engine,
    "hum": _hum,
    "pink": _pink,
    "siren": _siren,
    "white": _white,
    "wind": _wind,
}
