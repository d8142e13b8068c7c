# SPDX-License-Identifier: Apache-2.0
"""What a far microphone hears of a close one: a filter that moves with time, by least squares.

This is the estimate of the CHiME-3 and CHiME-4 simulation (J. Barker et al., "The third CHiME
speech separation and recognition challenge", ASRU 2015; E. Vincent et al., CSL 46, 2017), written
again. In every band of an STFT with half-overlapping sine windows of 256 samples, and in
every time block, the far signal is fitted by a few frames of the close one. The blocks hold equal
amounts of loud speech, overlap by half, and fade into one another by squared sines.

It departs from the organisers' MATLAB code in one thing: the normal equations are loaded with 1e-10
of their mean diagonal, so that bands and blocks of digital silence give zeros instead of NaN.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

WINDOW = 256
HOP = WINDOW // 2
EDGE = WINDOW // 4
LOADING = 1e-10


def filter_image(
    close: np.ndarray, far: np.ndarray, taps: int = 12, first: int = -3, block: int = 4000
) -> np.ndarray:
    """Return the part of ``far`` that is ``close``, filtered.

    Args:
        close: (samples,) the signal to filter.
        far: (samples,) the signal to fit.
        taps: frames of the filter; the default is the organisers' 88 ms at 16 kHz.
        first: delay of the first tap in frames; negative values look ahead.
        block: mean length of a block in samples; the default is the organisers' 250 ms at 16 kHz.

    Returns:
        (samples,) float64.
    """
    spectrum, target = stft(close), stft(far)  # (F, T)
    image = np.zeros_like(target)
    for span, fade in _blocks(spectrum, block):
        # 1. The close signal at each delay, zero outside the block: (F, taps, n)
        part = spectrum[:, span]
        delayed = np.stack([_delay(part, d) for d in range(first, first + taps)], axis=1)
        # 2. Normal equations of the weighted fit: (F, taps, taps), (F, taps)
        weighted = (delayed * fade).conj()
        gram = weighted @ delayed.swapaxes(1, 2)
        cross = (weighted @ target[:, span, None])[..., 0]
        load = LOADING * np.trace(gram, axis1=1, axis2=2).real / taps + np.finfo(float).tiny
        gram += load[:, None, None] * np.eye(taps)
        weights = np.linalg.solve(gram, cross[..., None])  # (F, taps, 1)
        # 3. The filtered signal, faded in and out
        image[:, span] += (delayed * weights).sum(axis=1) * fade
    return istft(image, len(far))


class _Block(NamedTuple):
    span: slice  # frames
    fade: np.ndarray  # (n,) weight of each; the weights of all blocks add up to 1


def _blocks(spectrum: np.ndarray, block: int) -> Iterator[_Block]:
    """Cut time so that each block holds as many bins above their band's median magnitude."""
    frames = spectrum.shape[1]
    magnitude = np.abs(spectrum[:-1])
    loud = (magnitude > np.median(magnitude, axis=1, keepdims=True)).sum(axis=0)  # (T,)
    # At the median half the bins are loud, that is half a bin for each sample.
    count = max(1, int(np.floor(loud.sum() / (block / 2) + 0.5)))
    number = np.arange(1, frames + 1)
    position = np.cumsum(loud) - loud / 2 + 1e-6 * number
    steps = np.arange(2 * count + 1) * loud.sum() / (2 * count)
    edges = np.floor(np.interp(steps, position, number)).astype(int)
    edges[0], edges[-1] = 0, frames
    for k in range(count):
        begin = edges[2 * k - 1] if k else 0
        middle = edges[2 * k + 1]
        end = edges[2 * k + 3] if k < count - 1 else frames
        rise = _rise(middle - begin) if k else np.ones(middle - begin)
        fall = _rise(end - middle)[::-1] if k < count - 1 else np.ones(end - middle)
        yield _Block(slice(begin, end), np.concatenate([rise, fall]))


def _rise(n: int) -> np.ndarray:
    return np.sin(np.pi / 2 * (np.arange(n) + 0.5) / max(n, 1)) ** 2


def _delay(part: np.ndarray, frames: int) -> np.ndarray:
    delayed = np.zeros_like(part)
    n = part.shape[1]
    if 0 <= frames < n:
        delayed[:, frames:] = part[:, : n - frames]
    elif -n < frames < 0:
        delayed[:, :frames] = part[:, -frames:]
    return delayed


def stft(samples: np.ndarray) -> np.ndarray:
    """Return the (129, T) spectrum of (samples,), T = samples / 128 rounded up."""
    frames = -(-len(samples) // HOP)
    padded = np.pad(samples.astype(np.float64), (EDGE, frames * HOP - len(samples) + EDGE))
    padded = padded / _overlap(frames)
    framed = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]  # (T, 256)
    return np.fft.rfft(framed * _sine()).T


def istft(spectrum: np.ndarray, length: int) -> np.ndarray:
    """Return the (length,) signal of a spectrum by :func:`stft`."""
    framed = np.fft.irfft(spectrum.T, WINDOW) * _sine()  # (T, 256)
    return (_overlap_add(framed) / _overlap(len(framed)))[EDGE : EDGE + length]


def _sine() -> np.ndarray:
    return np.sin(np.pi * (np.arange(WINDOW) + 0.5) / WINDOW)


def _overlap(frames: int) -> np.ndarray:
    """Square root of the summed squared windows: 1 but at the two ends."""
    return np.sqrt(_overlap_add(np.tile(_sine() ** 2, (frames, 1))))


def _overlap_add(framed: np.ndarray) -> np.ndarray:
    total = np.zeros((len(framed) + 1) * HOP)
    total[:-HOP] += framed[:, :HOP].ravel()
    total[HOP:] += framed[:, HOP:].ravel()
    return total
