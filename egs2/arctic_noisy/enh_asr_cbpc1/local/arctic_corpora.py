# SPDX-License-Identifier: Apache-2.0
"""The three corpora of speech: where they come from, and what is taken of them."""

import re
from pathlib import Path
from typing import NamedTuple

from espnet_cbpc.data.kaldi.text_rules import read_lines, read_words, tidied
from espnet_cbpc.data.noisy_sets.corpus import Corpus, check_whole
from espnet_cbpc.data.noisy_sets.speech_folder import Recording
from espnet_cbpc.utils.cli import UserError, gathered, listed

KATHLEEN = Corpus(  # 48 kHz, stereo
    variable="KATHLEEN",
    url="https://github.com/rhasspy/dataset-voice-kathleen/archive/"
    "c51cb971036a127359b43c621f26ca5081eab13e.zip",
    folder="data",
    files="arctic_*",
)
ORDERS = Corpus(
    variable="ORDERS",
    url="https://github.com/Picovoice/speech-to-intent-benchmark/archive/"
    "47b1ca63afe4f08cb83e1f70fec16764879bd130.zip",
    folder="data/speech/clean",
    files="*-*-*-*-*.*",
)
LJSPEECH = Corpus(  # 22.05 kHz
    variable="LJSPEECH",
    url="https://data.keithito.com/data/speech/LJSpeech-1.1.tar.bz2",
    folder="LJSpeech-1.1",
    files="metadata.csv",
)
SENTENCES = {"a": 593, "b": 539}  # of CMU Arctic
NUM_ORDERS = 619
AUDIO = (".flac", ".wav")
TAKE = re.compile(r"arctic_([ab]\d{4})_(\d+)")


class Source(NamedTuple):
    """A recording, its original file, and whether that has long pauses at the ends."""

    recording: Recording
    path: Path
    has_pauses: bool = False


def read_kathleen(folder: Path) -> dict[str, Source]:
    """Return the recording of each sentence by its number, as ``a0001``; of several takes the last.

    The ``a`` sentences are for training, which has no use for text, so that they have none.

    Raises:
        UserError: recordings or transcripts are missing.
    """
    wanted = [f"{part}{n:04d}" for part, count in SENTENCES.items() for n in range(1, count + 1)]
    takes: dict[str, list[Path]] = {number: [] for number in wanted}
    for path in _audio(folder):
        found = TAKE.fullmatch(path.stem)
        if found and found[1] in takes:
            takes[found[1]].append(path)
    missing = [f"arctic_{number}_*.wav" for number, paths in takes.items() if not paths]
    check_whole(KATHLEEN, folder, wanted, missing)
    last = {
        n: max(paths, key=lambda p: int(TAKE.fullmatch(p.stem)[2])) for n, paths in takes.items()
    }
    texts = gathered(read_words, {n: p.with_suffix(".txt") for n, p in last.items()}, "transcripts")
    without = [f"{last[number].stem}.txt" for number, text in texts.items() if not text]
    check_whole(KATHLEEN, folder, wanted, without)
    return {
        number: Source(_recording("kathleen", number, texts[number] if number > "b" else ""), path)
        for number, path in last.items()
    }


def read_orders(folder: Path) -> list[Source]:
    """Return the orders. Who speaks is not known: each is a speaker of its own.

    Raises:
        UserError: some are missing, or there are others.
    """
    paths = {path.stem: path for path in _audio(folder)}
    if len(paths) != NUM_ORDERS:
        raise UserError(
            f"{folder}: {len(paths)} recordings instead of {NUM_ORDERS}: restore the original "
            "folder, or leave ORDERS empty in db.sh to download it"
        )
    return [
        Source(Recording(f"order-{stem}", f"order-{stem}.wav", f"order-{stem}", ""), path, True)
        for stem, path in sorted(paths.items())
    ]


def read_ljspeech(folder: Path, names: Path) -> list[Source]:
    """Return sentences of LJSpeech, with the words that numbers and abbreviations stand for.

    Args:
        folder: of ``metadata.csv`` and ``wavs/``.
        names: a file with the names of the sentences to take.

    Raises:
        UserError: recordings or transcripts are missing, or a line is malformed.
    """
    lines = [line.split("|") for line in read_lines(folder / "metadata.csv") if line]
    odd = ["|".join(fields) for fields in lines if len(fields) != 3]
    if odd:
        raise UserError(
            f"{folder / 'metadata.csv'}: {len(odd)} line(s) are not name|text|words "
            f"({listed(odd)}): restore the original file"
        )
    texts = {name: tidied(words) for name, _, words in lines}
    paths = {path.stem: path for path in _audio(folder / "wavs")}
    wanted = read_lines(names)
    missing = [n for n in wanted if not texts.get(n) or n not in paths]
    check_whole(LJSPEECH, folder, wanted, missing)
    return [Source(_recording("ljspeech", n, texts[n]), paths[n]) for n in wanted]


def _recording(speaker: str, name: str, text: str) -> Recording:
    return Recording(f"{speaker}-{name}", f"{speaker}-{name}.wav", speaker, text)


def _audio(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in AUDIO)
