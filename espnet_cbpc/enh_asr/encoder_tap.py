"""Read the encoder's output while an ASR model computes its own loss."""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Iterator, Optional

import torch

from espnet_cbpc.utils.cli import UserError


@dataclass
class EncoderOutput:
    """Filled when the encoder has run: ``h`` (B, T, D) and ``lengths`` (B,) in frames."""

    h: Optional[torch.Tensor] = None
    lengths: Optional[torch.Tensor] = None


@contextmanager
def tap_encoder(asr_model: torch.nn.Module, layer: Optional[int] = None) -> Iterator[EncoderOutput]:
    """Within the block, catch what ``asr_model.encoder`` computes.

    ESPnet's ASR model runs its encoder inside ``forward`` and does not return the output. A
    forward hook sees it whatever ASR model is plugged in, so the encoder runs once.

    Args:
        asr_model: an ESPnet ASR model with an ``encoder``.
        layer: None for the encoder's output; k for that of its k-th block, from 1.

    Raises:
        UserError: the encoder has no such block.
    """
    output = EncoderOutput()

    def keep_output(module, args, result):
        # result: (h or (h, intermediate outputs), lengths, states)
        h = result[0][0] if isinstance(result[0], tuple) else result[0]
        output.lengths = result[1]
        if layer is None:
            output.h = h

    def keep_block(module, args, result):
        # result: (x or (x, positional embedding), mask, ...)
        output.h = result[0][0] if isinstance(result[0], tuple) else result[0]

    handles = [asr_model.encoder.register_forward_hook(keep_output)]
    try:
        if layer is not None:
            handles.append(find_block(asr_model.encoder, layer).register_forward_hook(keep_block))
        yield output
    finally:
        for handle in handles:
            handle.remove()


def find_block(encoder: torch.nn.Module, layer: int) -> torch.nn.Module:
    """Return the ``layer``-th block of an encoder, counted from 1."""
    blocks = getattr(encoder, "encoders", None)
    if blocks is None or not 1 <= layer <= len(blocks):
        raise UserError(
            f"joint_conf.layer is {layer}, but {type(encoder).__name__} has "
            f"{'no' if blocks is None else len(blocks)} blocks: take one of them, or null for "
            "the encoder's output"
        )
    return blocks[layer - 1]
