# SPDX-License-Identifier: Apache-2.0
"""Capture encoder outputs while an ASR model computes its own loss."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Optional

import torch

from espnet_cbpc.utils.cli import UserError

PROVEN_ON = ("202511", "202611")


@dataclass
class EncoderOutput:
    """Filled when the encoder has run.

    Attributes:
        frames: (B, T, D) by layer.
        lengths: (B,) in frames.
    """

    frames: dict[Optional[int], torch.Tensor] = field(default_factory=dict)
    lengths: torch.Tensor = field(init=False)


@contextmanager
def tap_encoder(
    asr_model: torch.nn.Module, layers: Sequence[Optional[int]] = (None,)
) -> Iterator[EncoderOutput]:
    """Within the block, capture what ``asr_model.encoder`` computes.

    ESPnet's ASR model runs its encoder inside ``forward`` and does not return the output. A
    forward hook sees it whatever ASR model is plugged in, so the encoder runs once.

    Args:
        asr_model: an ESPnet ASR model with an ``encoder``.
        layers: what to keep: None for the encoder's output, k for that of its k-th block, from 1.

    Raises:
        UserError: the encoder has no such block.
    """
    output = EncoderOutput()

    def keep_output(module, args, result):
        # result: (h or (h, intermediate outputs), lengths, states)
        output.lengths = result[1]
        if None in layers:
            output.frames[None] = first_of(result[0])

    def keep_block(layer, module, args, result):
        # result: (x or (x, positional embedding), mask, ...), or of Whisper x
        output.frames[layer] = first_of(first_of(result))

    handles = [asr_model.encoder.register_forward_hook(keep_output)]
    try:
        for layer in layers:
            if layer is not None:
                block = find_block(asr_model.encoder, layer)
                handles.append(block.register_forward_hook(partial(keep_block, layer)))
        yield output
    finally:
        for handle in handles:
            handle.remove()


def first_of(result):
    """Return ``result``, or its first item if it is a tuple."""
    return result[0] if isinstance(result, tuple) else result


def find_block(encoder: torch.nn.Module, layer: int) -> torch.nn.Module:
    """Return the ``layer``-th block of an encoder, counted from 1."""
    blocks = getattr(encoder, "encoders", None)
    blocks = getattr(blocks, "blocks", blocks)  # of Whisper
    if blocks is None or not 1 <= layer <= len(blocks):
        raise UserError(
            f"joint_conf asks for layer {layer}, but {type(encoder).__name__} has "
            f"{'no' if blocks is None else len(blocks)} blocks: take one of them, or null for "
            "the encoder's output"
        )
    return blocks[layer - 1]
