# SPDX-License-Identifier: Apache-2.0
"""A delay-and-sum beamformer that needs no array geometry.

Like BeamformIt (X. Anguera, C. Wooters and J. Hernando, "Acoustic beamforming for speaker
diarization of meetings", TASLP 15(7), 2007), the baseline of CHiME-4: delays against a reference
channel by the cross-correlation with phase transform, over windows that half overlap, and channels
weighted by what they have in common with the others. Instead of its search for the most steady of
several delays, the cross-correlations of neighbouring windows are averaged, the louder ones more.
"""

from dataclasses import dataclass
from typing import Optional

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from espnet_cbpc.data.array.failing_channels import channel_correlations
from espnet_cbpc.utils.cli import UserError

STEPS = 4  # delays that are shown apart within a sample
LEAST_WEIGHT = 0.2  # of the best channel's weight; what has less in common is left out


@dataclass(frozen=True)
class DelayAndSum:
    """A beamformer.

    Attributes:
        fs: sampling rate in Hz.
        window: seconds over which delays and weights are constant.
        memory: seconds before and after a window whose cross-correlations count.
        max_delay: seconds; the longest way between two microphones takes so long (5 ms: 1.7 m).
    """

    fs: int
    window: float = 0.5
    memory: float = 1.0
    max_delay: float = 0.005

    def __post_init__(self):
        if not (0 < self.max_delay < self.window / 2 and self.memory >= 0):
            raise UserError(
                f"max_delay {self.max_delay} s, window {self.window} s, memory {self.memory} s: the "
                "delay must be above 0 and less than half of the window, the memory at least 0"
            )

    def __call__(self, samples: np.ndarray, reference: Optional[int] = None) -> np.ndarray:
        """Beamform a recording.

        Args:
            samples: (N, C).
            reference: the channel that the result is like in time and level; None: the one that has
                most in common with the others.

        Returns:
            (N,) float32.

        Raises:
            UserError: no such channel.
        """
        if reference is not None and not 0 <= reference < samples.shape[1]:
            raise UserError(f"no reference channel {reference} among {samples.shape[1]}, from 0 on")
        spectra = self._spectra(samples)  # (T, C, K)
        if reference is None:
            reference = int(np.argmax(channel_correlations(samples, self.fs).sum(axis=0)))
        aligned = self._aligned(spectra, reference)
        levels = np.sqrt(np.mean(np.square(samples, dtype=np.float64), axis=0))
        gains = levels[reference] / np.maximum(levels, 1e-12) * (levels > 0)
        weights = self._weights(aligned) * gains  # (T, C)
        summed = np.einsum("tc,tck->tk", weights, aligned)
        return self._overlapped(summed, len(samples)).astype(np.float32)

    @property
    def _hop(self) -> int:
        return max(1, round(self.window * self.fs / 2))

    @property
    def _margin(self) -> int:
        """Return the samples before and after a window into which delays may move it."""
        return round(self.max_delay * self.fs) + 1

    @property
    def _size(self) -> int:
        return next_fast_len(2 * self._hop + 2 * self._margin, real=True)

    def _spectra(self, samples: np.ndarray) -> np.ndarray:
        """Return the spectrum of each window and channel, (T, C, K); the windows sum to 1."""
        hop, margin = self._hop, self._margin
        count = -(-len(samples) // hop) + 1
        padded = np.pad(samples.T, ((0, 0), (hop, (count + 1) * hop - hop - len(samples))))
        framed = np.stack([padded[:, t * hop : (t + 2) * hop] for t in range(count)])
        hann = 0.5 - 0.5 * np.cos(np.pi * (np.arange(2 * hop) + 0.5) / hop)
        framed = np.pad(framed * hann, ((0, 0), (0, 0), (margin, margin)))
        return rfft(framed, self._size)

    def _overlapped(self, spectra: np.ndarray, length: int) -> np.ndarray:
        """Return (N,) the windows of spectra (T, K), added up."""
        hop, margin = self._hop, self._margin
        framed = irfft(spectra, self._size)[:, : 2 * hop + 2 * margin]
        out = np.zeros((len(framed) + 1) * hop + 2 * margin)
        for t, frame in enumerate(framed):
            out[t * hop : t * hop + len(frame)] += frame
        return out[margin + hop : margin + hop + length]

    def _correlations(self, spectra: np.ndarray, reference: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the cross-correlations with phase transform, each at most 1, and their delays.

        Args:
            spectra: (T, C, K).
            reference: the channel that the others are compared with.

        Returns:
            (T, C, D), and (D,) in samples, of which there are fractions.
        """
        cross = spectra * spectra[:, [reference]].conj()
        cross /= np.maximum(np.abs(cross), 1e-12)
        powers = np.sum(np.abs(spectra) ** 2, axis=(1, 2))[:, None, None]
        cross = self._averaged(cross * powers) / np.maximum(self._averaged(powers), 1e-12)
        most = STEPS * round(self.max_delay * self.fs)
        found = STEPS * irfft(cross, STEPS * self._size)
        found = np.concatenate([found[..., -most:], found[..., : most + 1]], axis=-1)
        return found, np.arange(-most, most + 1) / STEPS

    def _averaged(self, values: np.ndarray) -> np.ndarray:
        """Return the sums of values (T, ...) over neighbouring windows, less of those farther off."""
        far = round(self.memory * self.fs / self._hop)
        padded = np.pad(values, ((far, far), (0, 0), (0, 0)))
        return sum(
            (1 - abs(shift - far) / (far + 1)) * padded[shift : shift + len(values)]
            for shift in range(2 * far + 1)
        )

    def _aligned(self, spectra: np.ndarray, reference: int) -> np.ndarray:
        """Return the spectra (T, C, K) of the channels, each moved to where the reference is."""
        correlations, delays = self._correlations(spectra, reference)
        late = delays[np.argmax(correlations, axis=-1)]  # (T, C) samples after the reference
        turns = np.arange(spectra.shape[2]) / self._size
        return spectra * np.exp(2j * np.pi * late[..., None] * turns)

    def _weights(self, aligned: np.ndarray) -> np.ndarray:
        """Return the weight of each channel in each window, (T, C), which sum to 1."""
        products = np.einsum("tck,tdk->tcd", aligned, aligned.conj()).real
        powers = np.einsum("tcc->tc", products)
        scale = np.sqrt(powers[:, :, None] * powers[:, None])
        common = self._averaged(products) / np.maximum(self._averaged(scale), 1e-12)
        count = aligned.shape[1]
        others = common.sum(axis=2) - np.einsum("tcc->tc", common)
        weights = np.maximum(others / max(1, count - 1), 0.0)
        weights[weights < LEAST_WEIGHT * weights.max(axis=1, keepdims=True)] = 0.0
        totals = weights.sum(axis=1, keepdims=True)
        return np.where(totals > 0, weights / np.maximum(totals, 1e-12), 1 / count)
