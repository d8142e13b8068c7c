# SPDX-License-Identifier: Apache-2.0
"""What to decode of a data directory, in which batches, and how to write the results."""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from espnet_cbpc.data.audio.recording import read_recording_header
from espnet_cbpc.data.kaldi.enhanced_speech import enhanced_files
from espnet_cbpc.data.kaldi.filter_dir import num_samples
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table, write_table, write_tables
from espnet_cbpc.inference.decoding_record import DecodingRecord
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import PathLike, atomic_write


@dataclass(frozen=True)
class Batch:
    """Utterances to decode together.

    Attributes:
        number: of their set.
        utterances: id, recording, and number of samples of each.
        fs: sampling rate of the models in Hz.
        wavs: folder for the enhanced speech.
        given: file of each utterance's speech that another tool enhanced; none: an SE model does.
        heard: the reference channel of each multichannel recording, for models that take
            one; none: the recordings have one.
    """

    number: int
    utterances: tuple[tuple[str, str, int], ...]
    fs: int
    wavs: Path
    given: tuple[Path, ...] = ()
    heard: tuple[str, ...] = ()

    def wav(self, utterance: str) -> Path:
        """Return the file for the enhanced speech of an utterance."""
        return _wav(self.wavs, utterance)


def plan_batches(
    lengths: Mapping[str, int], batch_size: int, max_padding: float = 0.0
) -> list[list[str]]:
    """Group utterances of equal or similar length, longest first.

    Args:
        lengths: samples of each utterance.
        batch_size: largest number of utterances in a batch.
        max_padding: largest share of a row that may be padding. Any padding can alter texts, see
            :meth:`espnet_cbpc.inference.enh_speech2text.EnhSpeech2Text.batch`.

    Returns:
        Batches of ids.
    """
    batches: list[list[str]] = []
    for utterance in sorted(lengths, key=lambda u: (-lengths[u], u)):
        if batches and len(batches[-1]) < batch_size:
            longest = lengths[batches[-1][0]]
            if longest - lengths[utterance] <= max_padding * longest:
                batches[-1].append(utterance)
                continue
        batches.append([utterance])
    return batches


class SetDecoder:
    """What is to be decoded of one data directory, and where its results go.

    They are ``<output_dir>/text``; ``enhanced``, a data directory of 32-bit float WAV files: the
    tables of the original, with ``wav.scp`` and, under the name that ESPnet's scoring uses,
    ``spk1.scp`` naming the enhanced speech; with several hypotheses ESPnet's
    ``<n>best_recog/{text,token,score}``; with token times ``token.ctm``. Every finished batch is
    recorded in ``decoding.jsonl``, from which a killed run resumes; a record made with other
    settings is discarded along with its results.

    Args:
        data_dir: with ``wav.scp`` and ``utt2spk``; ``utt2num_samples`` spares reading headers. Of
            multichannel recordings, one-channel models take ``noisy.scp`` (else the first).
        output_dir: where this set's results go.
        settings: everything about models and search that decides the result, as JSON has it.
        fs: sampling rate of the models in Hz.
        batch_size: largest number of utterances in a batch.
        max_padding: see :func:`plan_batches`.
        enhanced: folder of this set's speech that another tool enhanced, see
            :func:`.enhanced_files`; None: an SE model enhances, if there is one.

    Raises:
        UserError: a faulty data directory, or utterances that have no enhanced speech.
    """

    def __init__(
        self,
        data_dir: PathLike,
        output_dir: PathLike,
        settings: Mapping,
        fs: int,
        batch_size: int = 16,
        max_padding: float = 0.0,
        enhanced: Optional[PathLike] = None,
    ):
        self.data = DataDir.read(data_dir, require_text=False)
        self.output_dir, self.fs = Path(output_dir), fs
        self.lengths = _lengths(self.data)
        self.batches = plan_batches(self.lengths, batch_size, max_padding)
        if self.output_dir.exists() and not self.output_dir.is_dir():
            raise UserError(f"{self.output_dir}: is a file: give another --output_dir")
        wavs = self.data.tables["wav.scp"]
        inputs = {utterance: [wavs[utterance], count] for utterance, count in self.lengths.items()}
        self.heard = self.data.tables.get("noisy.scp", {})
        if self.heard:
            inputs = {u: [*known, self.heard[u]] for u, known in inputs.items()}
        self.given: dict[str, Path] = {}
        if enhanced is not None:
            self.given = enhanced_files(enhanced, self.data)
            inputs = {u: [*known, str(self.given[u])] for u, known in inputs.items()}
        self.record = DecodingRecord(
            self.output_dir / "decoding.jsonl",
            {**settings, "fs": fs, "batch_size": batch_size, "max_padding": max_padding},
            inputs,
        )

    @property
    def is_whole(self) -> bool:
        """Whether exactly these results already exist."""
        if self.record.results.keys() != self.lengths.keys():
            return False
        text = self.output_dir / "text"
        return text.exists() and read_table(text, allow_empty=True).keys() == self.lengths.keys()

    def begin(self, number: int, overwrite: bool = False) -> list[Batch]:
        """Clear what is stale and return what is left to do.

        Args:
            number: of the set, to be found in its batches.
            overwrite: start from scratch.
        """
        if overwrite or not self.record.results:
            self.record.results = {}
            for name in ("text", "token.ctm"):
                (self.output_dir / name).unlink(missing_ok=True)
            for folder in (self.output_dir / "enhanced", *self.output_dir.glob("*best_recog")):
                shutil.rmtree(folder, ignore_errors=True)
        self.record.open()
        done = self.record.results.keys()
        return [self._batch(number, ids) for ids in self.batches if not done >= set(ids)]

    def _batch(self, number: int, ids: list[str]) -> Batch:
        paths = self.data.tables["wav.scp"]
        utterances = tuple((u, paths[u], self.lengths[u]) for u in ids)
        given = tuple(self.given[u] for u in ids if self.given)
        heard = tuple(self.heard[u] for u in ids if self.heard)
        return Batch(number, utterances, self.fs, self._wavs, given, heard)

    def finish(self) -> None:
        """Write the tables of a set whose utterances are all in the record; ``text`` comes last."""
        results = self.record.results
        if self._wavs.is_dir():
            self._write_enhanced_tables()
        most = max(len(result["nbest"]) for result in results.values())
        for rank in range(most if most > 1 else 0):
            ranked = {u: r["nbest"][rank] for u, r in results.items() if len(r["nbest"]) > rank}
            folder = self.output_dir / f"{rank + 1}best_recog"
            write_table(folder / "text", {u: h["text"] for u, h in ranked.items()})
            write_table(folder / "token", {u: " ".join(h["tokens"]) for u, h in ranked.items()})
            write_table(folder / "score", {u: str(h["score"]) for u, h in ranked.items()})
        if any(result["token_times"] for result in results.values()):
            write_ctm(self.output_dir / "token.ctm", results)
        self._tell_empty()
        write_table(self.output_dir / "text", {u: r["text"] for u, r in results.items()})

    def _tell_empty(self) -> None:
        """Log which utterances have no text although they can be heard."""
        results = self.record.results
        short = [u for u, r in results.items() if r["too_short"]]
        empty = [u for u, r in results.items() if not (r["text"] or r["silent"] or r["too_short"])]
        for ids, why in (
            (short, "are too short for the models, and have no text"),
            (empty, "are not silent, but no text was recognised in them"),
        ):
            if ids:
                where, of_all = self.output_dir, len(results)
                logging.warning(
                    "%s: %d of %d utterances %s (%s)", where, len(ids), of_all, why, listed(ids)
                )

    @property
    def _wavs(self) -> Path:
        return self.output_dir / "enhanced" / "wavs"

    def _write_enhanced_tables(self) -> None:
        wavs = {utterance: str(_wav(self._wavs, utterance)) for utterance in self.data.ids}
        tables = {
            name: table
            for name, table in self.data.tables.items()
            if name == "text" or name.startswith("utt2")
        }
        samples = {utterance: str(count) for utterance, count in self.lengths.items()}
        tables.update({"wav.scp": wavs, "spk1.scp": wavs, "utt2num_samples": samples})
        write_tables(self.output_dir / "enhanced", tables)


def write_ctm(path: Path, results: Mapping[str, Mapping[str, Any]]) -> None:
    """Write NIST CTM lines ``utterance channel start duration token``, times in seconds."""
    with atomic_write(path) as f:
        for utterance in sorted(results):
            for time_ in results[utterance]["token_times"] or ():
                duration = time_["end"] - time_["start"]
                f.write(f"{utterance} 1 {time_['start']:.3f} {duration:.3f} {time_['token']}\n")


def _wav(folder: Path, utterance: str) -> Path:
    return folder / f"{utterance}.wav"


def _lengths(data: DataDir) -> dict[str, int]:
    if "utt2num_samples" in data.tables:
        return num_samples(data)
    return {
        key: read_recording_header(entry).frames for key, entry in data.tables["wav.scp"].items()
    }
