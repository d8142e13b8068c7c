# SPDX-License-Identifier: Apache-2.0
"""Recordings of any length, in overlapping windows that are cut where it is quiet."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Callable

import numpy as np

from espnet_cbpc.utils.cli import UserError

FADE = 0.1  # seconds of cross-fade before a cut
QUIET = 0.2  # seconds over which loudness is measured: longer than the closure of a plosive


@dataclass(frozen=True)
class Piece:
    """A part of a recording between two cuts.

    Attributes:
        start: sample of the recording at which it begins.
        heard: (n,) the enhanced samples from there to the next cut, to be recognised.
        enhanced: the enhanced samples that follow those of the piece before, cross-faded; those of
            all pieces make up the recording.
        noisy: the samples of the recording from the start of ``enhanced`` to the end of ``heard``.
    """

    start: int
    heard: np.ndarray
    enhanced: np.ndarray
    noisy: np.ndarray


@dataclass(frozen=True)
class Cutter:
    """Cuts a stream of samples into windows, and the windows into pieces.

    A recording of up to ``window`` seconds is one window and one piece. Of a longer one each window
    of that length is enhanced, and cut where the enhanced speech is quietest, in the middle half of
    its last ``overlap`` seconds; the next window begins ``FADE`` seconds before that cut. So every
    sample is recognised once, and what is enhanced twice has at least a quarter of the overlap to
    the end of its window. Memory is that of one window.

    Attributes:
        fs: sampling rate in Hz.
        window: seconds of a window.
        overlap: seconds at the end of a window in which it may be cut; at most half of it.

    Raises:
        UserError: a window or an overlap out of its range.
    """

    fs: int
    window: float = 30.0
    overlap: float = 4.0

    def __post_init__(self):
        if not 4 * QUIET <= self.overlap <= self.window / 2:
            raise UserError(
                f"window {self.window} s, overlap {self.overlap} s: the overlap must be at least "
                f"{4 * QUIET:g} s and at most half of the window"
            )

    def pieces(
        self,
        blocks: Iterable[np.ndarray],
        enhance: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    ) -> Iterator[Piece]:
        """Cut a recording.

        Args:
            blocks: its samples, (n,) float32 each, or (n, C) of several channels, in order.
            enhance: turns those of a window into (n,) enhanced and (n,) noisy ones.

        Yields:
            The pieces, in order; none of a recording without samples.
        """
        source, size, fade = iter(blocks), round(self.window * self.fs), round(FADE * self.fs)
        ramp = np.linspace(0, 1, fade + 2, dtype=np.float32)[1:-1]
        start, left = 0, np.zeros(0, np.float32)
        before = left  # the end of the window before: FADE seconds up to its cut
        is_last = False
        while not is_last:
            left, is_last = _fill(left, source, size)
            if not len(left):
                return
            enhanced, noisy = enhance(left[:size])
            cut = until = len(enhanced)
            if not is_last:
                cut = self._quietest(enhanced)
                until = cut - fade
            shared = len(before)
            head = before + ramp[:shared] * (enhanced[:shared] - before)
            body = enhanced[shared:until]
            written = np.concatenate((head, body))
            yield Piece(start + shared, enhanced[shared:cut], written, noisy[:cut])
            start, left, before = start + until, left[until:], enhanced[until:cut]

    def _quietest(self, enhanced: np.ndarray) -> int:
        """Return the sample of a window with least energy around it, where it may be cut."""
        quarter, half = round(self.overlap * self.fs / 4), round(QUIET * self.fs / 2)
        first, end = len(enhanced) - 3 * quarter, len(enhanced) - quarter
        power = np.square(enhanced[first - half : end + half], dtype=np.float64)
        total = np.concatenate(([0.0], np.cumsum(power)))
        return first + int(np.argmin(total[2 * half :] - total[: -2 * half]))


def cut_to_windows(samples: np.ndarray, fs: int, window: float) -> list[np.ndarray]:
    """Return the pieces (n,) of (N,) enhanced samples, of up to ``window`` seconds each."""
    pieces = Cutter(fs, window).pieces([samples], lambda enhanced: (enhanced, enhanced))
    return [piece.heard for piece in pieces]


def _fill(left: np.ndarray, source: Iterator[np.ndarray], size: int) -> tuple[np.ndarray, bool]:
    """Return more than ``size`` samples, or all that there are, and whether those are the last."""
    parts, count = [left] if len(left) else [], len(left)
    while count <= size:
        block = next(source, None)
        if block is None:
            return np.concatenate(parts or [left]), True
        parts.append(block)
        count += len(block)
    return np.concatenate(parts), False
