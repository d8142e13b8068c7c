# SPDX-License-Identifier: Apache-2.0
"""VoiceBank + DEMAND: where it is, where it comes from, and what is in it.

Source: C. Valentini-Botinhao, "Noisy speech database for training speech enhancement algorithms and
TTS models", University of Edinburgh 2017, doi 10.7488/ds/2117; the set of 28 speakers.
"""

import logging
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple, Optional

from espnet_cbpc.data.kaldi.text_rules import read_lines, read_words
from espnet_cbpc.utils import download
from espnet_cbpc.utils.cli import UserError, gathered, listed

URL = "https://datashare.ed.ac.uk/bitstream/handle/10283/2791"
WHERE = "https://doi.org/10.7488/ds/2117"
LOGS = "logfiles"


class Layout(NamedTuple):
    """Folders of a set, its log, and its number of utterances."""

    clean: str
    noisy: str
    text: str
    log: str
    utterances: int


LAYOUTS = {
    "train": Layout(
        "clean_trainset_28spk_wav",
        "noisy_trainset_28spk_wav",
        "trainset_28spk_txt",
        "log_trainset_28spk.txt",
        11572,
    ),
    "test": Layout("clean_testset_wav", "noisy_testset_wav", "testset_txt", "log_testset.txt", 824),
}
ARCHIVES = (LOGS, *(name for layout in LAYOUTS.values() for name in layout[:3]))


class Pair(NamedTuple):
    """An utterance: clean and noisy recording, words, noise, and SNR in dB."""

    id: str
    clean: Path
    noisy: Path
    text: str
    noise: str
    snr: float

    @property
    def speaker(self) -> str:
        """The speaker, such as p226."""
        return self.id.partition("_")[0]


def locate(given: str, url: str, downloads: Path) -> dict[str, Path]:
    """Return the folder of each archive by its name.

    Args:
        given: the user's folder, which holds the unpacked archives; empty: download what is
            missing.
        url: folder of the archives.
        downloads: where downloads are kept.

    Raises:
        UserError: no such folder, archives that are not in it, or a failed download.
    """
    root = Path(given) if given else downloads / "vctk_noisy"
    if not given:
        for name in ARCHIVES:
            _fetch(f"{url.rstrip('/')}/{name}.zip", root / name)
    elif not root.is_dir():
        raise UserError(
            f"VCTK_NOISY={given}: no such folder: correct VCTK_NOISY in db.sh, or leave it empty "
            "to download the corpus"
        )
    found = {name: _unpacked(root, name) for name in ARCHIVES}
    missing = [name for name, folder in found.items() if folder is None]
    if missing:
        archives = listed((f"{name}.zip" for name in missing), 7)
        raise UserError(
            f"{root}: {len(missing)} of {len(found)} parts of VoiceBank + DEMAND are missing "
            f"({listed(missing, 7)}): unpack {archives} of {WHERE} there"
        )
    return found


def _unpacked(root: Path, name: str) -> Optional[Path]:
    """Return where the files of an archive are; None: nowhere.

    It may have been unpacked into a folder of its name; the logs often lie at the top.
    """
    pattern = "log_*.txt" if name == LOGS else "*.wav" if name.endswith("wav") else "*.txt"
    folders = [root / name, root / name / name, *([root] if name == LOGS else [])]
    return next((folder for folder in folders if any(folder.glob(pattern))), None)


def _fetch(url: str, folder: Path) -> None:
    try:
        download.obtain(url, folder)
    except UserError as e:
        raise UserError(
            f"{e}; or fetch the files of {WHERE} by hand, unpack them in one folder, and set "
            "VCTK_NOISY=<folder> in db.sh"
        ) from e


def read_pairs(set_name: str, folders: dict[str, Path], allow_partial: bool) -> list[Pair]:
    """Return the utterances of a set, sorted by id. Audio is not opened.

    Args:
        set_name: train or test.
        folders: what :func:`locate` returns.
        allow_partial: leave out utterances of which something is missing, and do with fewer than
            the set has.

    Raises:
        UserError: recordings, transcripts or lines of the log are missing or malformed.
    """
    layout = LAYOUTS[set_name]
    clean, noisy = (_files(folders[name], ".wav") for name in layout[:2])
    texts = _files(folders[layout.text], ".txt")
    log = _read_log(folders[LOGS] / layout.log)
    parts = {layout.clean: clean, layout.noisy: noisy, layout.text: texts, layout.log: log}
    everything = clean.keys() | noisy.keys() | texts.keys()  # the log may name others
    missing = {name: sorted(everything - part.keys()) for name, part in parts.items()}
    lacking = [f"{name}: {len(ids)} ({listed(ids)})" for name, ids in missing.items() if ids]
    if lacking and not allow_partial:
        raise UserError(
            f"{set_name} set of VoiceBank + DEMAND: utterances are missing in "
            f"{'; '.join(lacking)}: unpack the archives of {WHERE} whole, or give --allow_partial "
            "true to leave them out"
        )
    if lacking:
        logging.warning("left out; utterances are missing in %s", "; ".join(lacking))
    whole = sorted(everything.intersection(*parts.values()))
    if len(whole) < (1 if allow_partial else layout.utterances):
        raise UserError(
            f"{folders[layout.clean]}: {len(whole)} of {layout.utterances} utterances: unpack the "
            f"archives of {WHERE} whole, or give --allow_partial true to do with a part"
        )
    words = gathered(_text, {key: texts[key] for key in whole}, "transcripts")
    return [Pair(key, clean[key], noisy[key], words[key], *log[key]) for key in whole]


def _files(folder: Path, suffix: str) -> dict[str, Path]:
    return {path.stem: path for path in folder.glob(f"[!.]*{suffix}")}


def _read_log(path: Path) -> dict[str, tuple[str, float]]:
    """Read lines ``utterance noise SNR``."""
    if not path.is_file():
        raise UserError(f"{path}: no such file: unpack {LOGS}.zip of {WHERE}")
    log = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            key, noise, snr = line.split()
            log[key] = (noise, float(snr))
        except ValueError as e:
            raise UserError(f"{path}:{number}: not 'utterance noise SNR': restore the file") from e
    return log


def _text(path: Path) -> str:
    words = normalise(read_words(path))
    if not words:
        raise UserError(f"{path}: no words: restore the transcript")
    return words


def normalise(text: str) -> str:
    """Return upper-case words without punctuation, as LibriSpeech writes its transcripts.

    Accents are dropped, and of apostrophes those inside words are kept: ``It's "Zoë's" - ok?``
    becomes ``IT'S ZOE'S OK``.
    """
    plain = unicodedata.normalize("NFKD", text.replace("\u2019", "'")).upper()
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    words = (word.strip("'") for word in re.sub(r"[^A-Z0-9']+", " ", plain).split())
    return " ".join(word for word in words if word)
