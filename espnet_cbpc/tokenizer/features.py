# SPDX-License-Identifier: Apache-2.0
"""Stream encoder outputs of utterances."""

from collections.abc import Iterator, Mapping
from typing import Callable, Optional

import numpy as np
import torch

from espnet_cbpc.compat.encoder_tap import tap_encoder
from espnet_cbpc.data.audio.audio_file import read_audio
from espnet_cbpc.utils.cli import UserError, listed


@torch.no_grad()
def encoder_features(
    asr_model: torch.nn.Module,
    wavs: Mapping[str, str],
    fs: int,
    layer: Optional[int] = None,
    batch_size: int = 16,
    on_output: Optional[Callable[[str, torch.Tensor], None]] = None,
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each utterance's id and its encoder frames (T, D), in the order of ``wavs``.

    Args:
        asr_model: an ESPnet ASR model, in evaluation mode.
        wavs: the audio file of each utterance.
        fs: sampling rate that the model expects, in Hz.
        layer: which block's, from 1; None: the encoder's output.
        batch_size: utterances per batch.
        on_output: called with each utterance's id and (T, D) tensor of the encoder's final output,
            which is another one than that of ``layer``.

    Raises:
        UserError: an audio file that cannot be used, or that the model fails on.
    """
    device = next(asr_model.parameters()).device
    items = list(wavs.items())
    for start in range(0, len(items), batch_size):
        batch = items[start : start + batch_size]
        speech = [torch.from_numpy(read_audio(path, fs)[0]) for _, path in batch]
        lengths = torch.tensor([len(s) for s in speech])
        padded = torch.nn.utils.rnn.pad_sequence(speech, batch_first=True)  # (B, N)
        with tap_encoder(asr_model, [layer]) as output:
            try:
                final = asr_model.encode(padded.to(device), lengths.to(device))[0]
            except Exception as e:  # ESPnet raises many kinds for utterances that are too short
                raise UserError(
                    f"the ASR model failed on {len(batch)} utterance(s) "
                    f"({listed(u for u, _ in batch)}) of {min(lengths)} to {max(lengths)} samples: "
                    f"{e!r}: leave out those that are too short, or lower --batch_size if memory "
                    "ran out"
                ) from e
        final = final[0] if isinstance(final, tuple) else final  # with intermediate outputs
        for i, ((utt, _), n) in enumerate(zip(batch, output.lengths.tolist())):
            if on_output is not None:
                on_output(utt, final[i, :n])
            yield utt, output.frames[layer][i, :n].cpu().numpy()
