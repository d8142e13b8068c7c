"""Decode a data directory: text and enhanced waveforms, batch by batch, resumable."""

import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Dict, Iterator, List, Mapping, Tuple, Union

import soundfile
import torch

from espnet_cbpc.data.audio import read_audio, write_audio
from espnet_cbpc.data.kaldi_dir import DataDir, write_table, write_tables
from espnet_cbpc.enh_asr.decoding_record import DecodingRecord
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.progress import progress

if TYPE_CHECKING:  # slow to import, and not needed to see that nothing is left to do
    from espnet_cbpc.enh_asr.inference import EnhSpeech2Text


@dataclass(frozen=True)
class Speed:
    """Seconds of speech decoded, and seconds that it took."""

    speech: float = 0.0
    work: float = 0.0

    def __add__(self, other: "Speed") -> "Speed":
        return Speed(self.speech + other.speech, self.work + other.work)

    def __str__(self) -> str:
        factor = f"{self.work / self.speech:.3f}" if self.speech else "none"
        return f"real-time factor {factor} ({self.speech:.1f} s of speech in {self.work:.1f} s)"


def plan_batches(
    lengths: Mapping[str, int], batch_size: int, max_padding: float = 0.0
) -> List[List[str]]:
    """Group utterances of equal or similar length, longest first.

    Args:
        lengths: samples of each utterance.
        batch_size: most utterances of a batch.
        max_padding: largest share of a row that may be padding. Any padding can alter texts, see
            :meth:`espnet_cbpc.enh_asr.inference.EnhSpeech2Text.batch`.

    Returns:
        Batches of ids.
    """
    batches: List[List[str]] = []
    for utterance in sorted(lengths, key=lambda u: (-lengths[u], u)):
        if batches and len(batches[-1]) < batch_size:
            longest = lengths[batches[-1][0]]
            if longest - lengths[utterance] <= max_padding * longest:
                batches[-1].append(utterance)
                continue
        batches.append([utterance])
    return batches


class SetDecoder:
    """Decodes one data directory into ``<output_dir>/text`` and ``<output_dir>/enhanced``.

    ``enhanced`` is a data directory of 32-bit float WAV files: the tables of the original, with
    ``wav.scp`` and, under the name that ESPnet's scoring uses, ``spk1.scp`` naming the enhanced
    speech. Every finished batch is recorded in ``decoding.jsonl``, from which a killed run goes
    on; a record made with other settings is discarded along with its results.

    Args:
        data_dir: with ``wav.scp`` and ``utt2spk``; ``utt2num_samples`` spares reading headers.
        output_dir: where this set's results go.
        settings: everything about models and search that decides the result, as JSON has it.
        fs: sampling rate of the models in Hz.
        batch_size: most utterances of a batch.
        max_padding: see :func:`plan_batches`.

    Raises:
        UserError: a faulty data directory.
    """

    def __init__(
        self,
        data_dir: Union[str, Path],
        output_dir: Union[str, Path],
        settings: Mapping,
        fs: int,
        batch_size: int = 16,
        max_padding: float = 0.0,
    ):
        self.data = DataDir.read(data_dir, require_text=False)
        self.output_dir, self.fs = Path(output_dir), fs
        self.lengths = _lengths(self.data)
        self.batches = plan_batches(self.lengths, batch_size, max_padding)
        inputs = json.dumps([self.data.tables["wav.scp"], self.lengths]).encode()
        self.record = DecodingRecord(
            self.output_dir / "decoding.jsonl",
            {
                **settings,
                "fs": fs,
                "batch_size": batch_size,
                "max_padding": max_padding,
                "inputs": hashlib.sha256(inputs).hexdigest(),
            },
        )

    @property
    def is_whole(self) -> bool:
        """Whether these very results are there already."""
        done = self.record.texts.keys() == self.lengths.keys()
        return done and (self.output_dir / "text").exists()

    def run(self, speech2text: "EnhSpeech2Text", overwrite: bool = False) -> Speed:
        """Decode what is not decoded yet, and write the results.

        Args:
            speech2text: the models.
            overwrite: begin anew.

        Returns:
            The speed at which the utterances that were left have been decoded.

        Raises:
            UserError: audio that is missing, unreadable, of another sampling rate, with several
                channels, of another length than listed, not finite, or too short for the models.
        """
        if overwrite or not self.record.texts:
            self.record.texts = {}
            (self.output_dir / "text").unlink(missing_ok=True)
            shutil.rmtree(self.output_dir / "enhanced", ignore_errors=True)
        self.record.open()
        todo = [batch for batch in self.batches if not self.record.texts.keys() >= set(batch)]
        start, count = time.monotonic(), sum(map(len, todo))
        decoded = progress(self._decode(speech2text, todo), self.output_dir.name, count)
        samples = sum(self.lengths[utterance] for utterance in decoded)
        if speech2text.enh_model is not None:
            self._write_enhanced_tables()
        write_table(self.output_dir / "text", self.record.texts)
        return Speed(samples / self.fs, time.monotonic() - start)

    def _decode(self, speech2text: "EnhSpeech2Text", todo: List[List[str]]) -> Iterator[str]:
        for batch in todo:
            speech, lengths = self._load(batch)
            try:
                results = speech2text.batch(speech, lengths)
            except Exception as e:  # ESPnet raises many kinds for utterances that are too short
                raise UserError(
                    f"{self.data.path}: the models failed on {len(batch)} utterance(s) "
                    f"({listed(batch)}) of {min(lengths)} to {max(lengths)} samples: {e!r}: "
                    "leave out those that are too short, or lower the batch size if memory ran out"
                ) from e
            for utterance, (_, _, enhanced) in zip(batch, results):
                if enhanced is not None:
                    write_audio(self._wav(utterance), enhanced, self.fs, subtype="FLOAT")
            self.record.add({u: text for u, (text, _, _) in zip(batch, results)})
            yield from batch

    def _load(self, batch: List[str]) -> Tuple[torch.Tensor, List[int]]:
        lengths = [self.lengths[utterance] for utterance in batch]
        speech = torch.zeros(len(batch), max(lengths))
        for row, utterance in enumerate(batch):
            path = self.data.tables["wav.scp"][utterance]
            samples, rate = read_audio(path)
            if rate != self.fs:
                raise UserError(
                    f"{utterance}: {path}: {rate} Hz where --fs is {self.fs}: format the data first"
                )
            if len(samples) != lengths[row]:
                raise UserError(
                    f"{utterance}: {path}: {len(samples)} samples where utt2num_samples says "
                    f"{lengths[row]}: format the data again"
                )
            speech[row, : lengths[row]] = torch.from_numpy(samples)
        return speech, lengths

    def _wav(self, utterance: str) -> Path:
        return self.output_dir / "enhanced" / "wavs" / f"{utterance}.wav"

    def _write_enhanced_tables(self) -> None:
        wavs = {utterance: str(self._wav(utterance)) for utterance in self.data.ids}
        tables = {
            name: table
            for name, table in self.data.tables.items()
            if name == "text" or name.startswith("utt2")
        }
        samples = {utterance: str(count) for utterance, count in self.lengths.items()}
        tables.update({"wav.scp": wavs, "spk1.scp": wavs, "utt2num_samples": samples})
        write_tables(self.output_dir / "enhanced", tables)


def _lengths(data: DataDir) -> Dict[str, int]:
    slashed = [key for key in data.ids if "/" in key]
    if slashed:
        raise UserError(
            f"{data.path}: {len(slashed)} utterance id(s) with a slash ({listed(slashed)}), which "
            "cannot name a file: rename them"
        )
    table = data.tables.get("utt2num_samples")
    if table is None:
        try:
            return {
                key: soundfile.info(path).frames for key, path in data.tables["wav.scp"].items()
            }
        except (OSError, soundfile.SoundFileError) as e:
            raise UserError(f"{data.path}/wav.scp: not a readable audio file: {e}") from e
    wrong = [key for key in data.ids if not table.get(key, "").isdecimal() or not int(table[key])]
    if wrong:
        raise UserError(
            f"{data.path}/utt2num_samples: {len(wrong)} utterance(s) without a number of samples "
            f"({listed(wrong)}): format the directory first"
        )
    return {key: int(table[key]) for key in data.ids}
