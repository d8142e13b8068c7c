# SPDX-License-Identifier: Apache-2.0
"""Files of any format, rate, length and number of channels as pieces of enhanced speech."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Optional

import numpy as np
import torch

from espnet_cbpc.data.array.failing_channels import failing_channels, kept_channels
from espnet_cbpc.data.audio.audio_file import AudioError, channel_blocks
from espnet_cbpc.inference.decoded_utterance import SILENCE
from espnet_cbpc.inference.long_form import Cutter, Piece
from espnet_cbpc.inference.speech_enhancer import SpeechEnhancer
from espnet_cbpc.utils.cli import listed
from espnet_cbpc.utils.files import PathLike


class EnhancedPieces:
    """Enhances files piece by piece, see :class:`Cutter`; memory does not grow with a file.

    Where an SE model takes several channels, those that fail in a window are replaced by good ones,
    as in prepared data.

    Args:
        enhancer: the SE model.
        cutter: at the rate of the model.
        channels: of files with several, from 0, those that a multichannel SE model is given,
            or whose mean one of one channel is, and an ASR model without SE; None: all.
    """

    def __init__(
        self,
        enhancer: SpeechEnhancer,
        cutter: Cutter,
        channels: Optional[Sequence[int]] = None,
    ):
        self.enhancer, self.cutter, self.channels = enhancer, cutter, channels

    def pieces(self, path: PathLike) -> Iterator[Piece]:
        """Yield the enhanced pieces of a file."""
        blocks: Iterable[np.ndarray] = channel_blocks(path, self.cutter.fs, self.channels)
        if not self.enhancer.takes_several_channels:
            blocks = (block.mean(axis=1) for block in blocks)
        replaced: dict[int, str] = {}  # channels that fail, and why
        yield from self.cutter.pieces(blocks, partial(self._enhance, replaced=replaced))
        if replaced:
            failed = listed(f"{c} ({reason})" for c, reason in sorted(replaced.items()))
            logging.warning("%s: failing channels, replaced by others: %s", path, failed)

    def _enhance(
        self, samples: np.ndarray, replaced: dict[int, str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (n,) enhanced speech and the reference channel of (n,) or (n, C) samples.

        Channels that were replaced are added to ``replaced``.
        """
        if samples.ndim == 2 and samples.shape[1] > 1:
            samples = self._mended(samples, replaced)
        speech, lengths = torch.from_numpy(samples)[None], torch.tensor([len(samples)])
        noisy = samples
        if samples.ndim == 2:
            noisy = self.enhancer.reference_channel(speech, lengths)[0].cpu().numpy()
        if silent(samples):
            return noisy, noisy
        return self.enhancer.enhance(speech, lengths)[0].cpu().numpy(), noisy

    def _mended(self, samples: np.ndarray, replaced: dict[int, str]) -> np.ndarray:
        """Return (n, C) samples with good channels in place of those that fail, if any is good."""
        try:
            failing = failing_channels(samples, self.cutter.fs, "window")
        except AudioError:  # all fail: a pause in which nothing is heard, say
            return samples
        numbers = range(samples.shape[1]) if self.channels is None else self.channels
        replaced.update({numbers[one.channel]: one.reason for one in failing})
        return samples[:, kept_channels(samples.shape[1], failing)] if failing else samples


def silent(samples: np.ndarray) -> bool:
    """Return whether nothing can be heard."""
    return not len(samples) or float(np.abs(samples).max()) < SILENCE
