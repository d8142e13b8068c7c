# SPDX-License-Identifier: Apache-2.0
"""Decode data directories: text and enhanced waveforms, batch by batch, in several processes."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    NamedTuple,
    Optional,
)

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from espnet_cbpc.data.audio.audio_file import write_audio
from espnet_cbpc.data.audio.recording import read_recording
from espnet_cbpc.data.kaldi.enhanced_speech import read_enhanced
from espnet_cbpc.data.kaldi.signals import channel_count
from espnet_cbpc.inference.decoded_utterance import NOTHING, SILENCE, DecodedUtterance
from espnet_cbpc.inference.set_decoder import Batch, SetDecoder
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.parallel import parallel_map

if TYPE_CHECKING:  # slow to import, and not needed to see that nothing is left to do
    from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text

SHORT = 1.0  # seconds; what the models fail on below it is taken to be too short for them

Results = dict[str, dict[str, Any]]  # DecodedUtterance.as_dict() by utterance


@dataclass(frozen=True)
class Speed:
    """Seconds of speech decoded, and seconds that it took."""

    speech: float = 0.0
    work: float = 0.0

    def __str__(self) -> str:
        factor = f"{self.work / self.speech:.3f}" if self.speech else "none"
        return f"real-time factor {factor} ({self.speech:.1f} s of speech in {self.work:.1f} s)"


@dataclass(frozen=True)
class Worker:
    """Decodes batches in whichever process it is called, which builds the models once.

    Attributes:
        options: arguments of ``EnhSpeech2Text``, as pairs.
        ngpu: 1 to use a GPU.
        num_threads: CPU threads.
    """

    options: tuple[tuple[str, Any], ...]
    ngpu: int = 0
    num_threads: int = 1

    def __call__(self, batch: Batch) -> tuple[int, Results]:
        """See :func:`decode_batch`; a ``UserError`` too if the models cannot be built."""
        return decode_batch(_models(self), batch)


@lru_cache(maxsize=1)
def _models(worker: Worker) -> "EnhSpeech2Text":
    from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text

    return EnhSpeech2Text(device=device(worker.ngpu, worker.num_threads), **dict(worker.options))


def device(ngpu: int, num_threads: int) -> str:
    """Return torch's name of the device to compute on, and set the number of CPU threads.

    Raises:
        UserError: a GPU is asked for and there is none.
    """
    if ngpu and not torch.cuda.is_available():
        raise UserError("--ngpu 1: no usable GPU: use --ngpu 0")
    torch.set_num_threads(num_threads)
    return "cuda" if ngpu else "cpu"


def decode_sets(
    decoders: Sequence[SetDecoder],
    work: Callable[[Batch], tuple[int, Results]],
    nj: int = 1,
    overwrite: bool = False,
) -> Speed:
    """Decode what is not decoded yet of several sets, and write the results of each.

    Args:
        decoders: the sets.
        work: a :class:`Worker`, or :func:`decode_batch` with models.
        nj: number of processes.
        overwrite: start from scratch.

    Returns:
        The speed at which the utterances that were left have been decoded.

    Raises:
        UserError: audio that is missing, unreadable, of another sampling rate or length than
            listed, not finite, or of a number of channels that the models do not take.
    """
    start, samples = time.monotonic(), 0.0
    todo = [batch for i, d in enumerate(decoders) for batch in d.begin(i, overwrite)]
    left = Counter(batch.number for batch in todo)
    for number, decoder in enumerate(decoders):
        if not left[number]:
            decoder.finish()
    for number, results in parallel_map(work, todo, len(todo), nj, "inference", chunk=1):
        decoder = decoders[number]
        decoder.record.add(results)
        samples += sum(decoder.lengths[utterance] for utterance in results) / decoder.fs
        left[number] -= 1
        if not left[number]:
            decoder.finish()
    return Speed(samples, time.monotonic() - start)


class Loaded(NamedTuple):
    """The speech of a batch.

    Attributes:
        noisy: (B, N) samples, or (B, N, C) of several channels.
        enhanced: (B, N) what another tool made of them; None: an SE model does.
        lengths: of each utterance in samples.
    """

    noisy: torch.Tensor
    enhanced: Optional[torch.Tensor]
    lengths: list[int]

    def alone(self, row: int) -> "Loaded":
        """Return one utterance."""
        count = self.lengths[row]
        noisy, enhanced = (x if x is None else x[row : row + 1, :count] for x in self[:2])
        return Loaded(noisy, enhanced, [count])


def decode_batch(speech2text: "EnhSpeech2Text", batch: Batch) -> tuple[int, Results]:
    """Decode a batch, write its enhanced speech, and return the set's number and the results."""
    speech = _load(batch, speech2text.takes_several_channels)
    recognised = _recognised(speech2text, batch, speech)
    enhances = speech2text.enh_model is not None or speech.enhanced is not None
    results = {}
    for (utterance, _, length), noisy, result in zip(batch.utterances, speech.noisy, recognised):
        too_short = result is None
        if result is None:
            noisy = noisy[:length]
            heard = speech2text.reference_channel(noisy[None], torch.tensor([length]))[0]
            result = DecodedUtterance([NOTHING], enhanced=heard.cpu().numpy() if enhances else None)
        if result.enhanced is not None:
            write_audio(batch.wav(utterance), result.enhanced, batch.fs, subtype="FLOAT")
        silent = float(noisy.abs().max()) < SILENCE
        results[utterance] = {**result.as_dict(), "silent": silent, "too_short": too_short}
    return batch.number, results


def _recognised(
    speech2text: "EnhSpeech2Text", batch: Batch, speech: Loaded
) -> list[Optional[DecodedUtterance]]:
    """Decode a batch together; where the models fail, one by one: None for what is too short."""
    lengths = speech.lengths
    try:
        return list(speech2text.batch(speech.noisy, lengths, speech.enhanced))
    except UserError:  # such as a number of channels that the models do not take
        raise
    except Exception as e:  # ESPnet raises many kinds for utterances that are too short
        if len(lengths) == 1 and lengths[0] < SHORT * batch.fs:
            return [None]
        if len(lengths) == 1:
            raise UserError(
                f"{batch.wavs.parents[1]}: the models failed on {batch.utterances[0][0]} of "
                f"{lengths[0]} samples: {e!r}: leave it out, or cut it if memory ran out"
            ) from e
    results: list[Optional[DecodedUtterance]] = []
    for row, one in enumerate(batch.utterances):
        alone = replace(batch, utterances=(one,))
        results += _recognised(speech2text, alone, speech.alone(row))
    return results


def _load(batch: Batch, all_channels: bool) -> Loaded:
    """Read a batch; of multichannel recordings all channels, or only the reference."""
    lengths = [length for _, _, length in batch.utterances]
    entries = [entry for _, entry, _ in batch.utterances]
    if batch.heard and not all_channels:
        entries = list(batch.heard)
    signals = [
        _read(utterance, entry, length, batch.fs)
        for (utterance, _, length), entry in zip(batch.utterances, entries)
    ]
    counts = sorted({channel_count(signal) for signal in signals})
    if len(counts) > 1:
        raise UserError(
            f"{batch.wavs.parents[1]}: recordings of {listed(counts)} channels in one set: decode "
            "them as separate sets"
        )
    enhanced = None
    if batch.given:
        enhanced = [read_enhanced(path, n, batch.fs) for path, n in zip(batch.given, lengths)]
    return Loaded(_padded(signals), enhanced and _padded(enhanced), lengths)


def _read(utterance: str, entry: str, length: int, fs: int) -> np.ndarray:
    """Return (N,) or (N, C) samples."""
    samples, rate = read_recording(entry)
    if rate != fs:
        raise UserError(f"{utterance}: {entry}: {rate} Hz, but --fs is {fs}: format the data first")
    if len(samples) != length:
        raise UserError(
            f"{utterance}: {entry}: {len(samples)} samples, but utt2num_samples says {length}: "
            "format the data again"
        )
    return samples


def _padded(signals: Sequence[np.ndarray]) -> torch.Tensor:
    return pad_sequence([torch.from_numpy(s) for s in signals], batch_first=True)
