"""Stream encoder outputs of the utterances of a wav.scp."""

from pathlib import Path
from typing import Iterator, Optional, Tuple, Union

import numpy as np
import torch

from espnet_cbpc.data.audio import read_audio
from espnet_cbpc.data.kaldi_dir import read_table
from espnet_cbpc.enh_asr.encoder_tap import tap_encoder
from espnet_cbpc.utils.progress import progress


@torch.no_grad()
def encoder_features(
    asr_model: torch.nn.Module,
    wav_scp: Union[str, Path],
    fs: int,
    layer: Optional[int] = None,
    batch_size: int = 16,
) -> Iterator[Tuple[str, np.ndarray]]:
    """Yield each utterance's id and its encoder frames (T, D), in the order of ``wav_scp``.

    Args:
        asr_model: an ESPnet ASR model, in evaluation mode.
        wav_scp: one audio file an utterance.
        fs: sampling rate that the model expects, in Hz.
        layer: as in :func:`espnet_cbpc.enh_asr.encoder_tap.tap_encoder`.
        batch_size: utterances encoded at a time.

    Raises:
        UserError: an audio file that cannot be used.
    """
    device = next(asr_model.parameters()).device
    items = list(read_table(wav_scp).items())
    starts = range(0, len(items), batch_size)
    for start in progress(starts, f"encode {Path(wav_scp).parent.name}"):
        batch = items[start : start + batch_size]
        speech = [torch.from_numpy(read_audio(path, fs)[0]) for _, path in batch]
        lengths = torch.tensor([len(s) for s in speech])
        padded = torch.nn.utils.rnn.pad_sequence(speech, batch_first=True)  # (B, N)
        with tap_encoder(asr_model, layer) as output:
            asr_model.encode(padded.to(device), lengths.to(device))
        for (utt, _), h, n in zip(batch, output.h.cpu(), output.lengths.tolist()):
            yield utt, h[:n].numpy()
