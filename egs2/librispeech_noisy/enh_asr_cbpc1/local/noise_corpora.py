# SPDX-License-Identifier: Apache-2.0
"""Noise corpora: which of their files serve training, development, and the two noisy tests.

The splits are ours. ``seen`` noise is of the kinds used in training, but never the same stretch
of sound; ``unseen`` noise is of kinds never used in training:

========== ================================ ======================== =============================
variable   train, dev, seen                 split by                 unseen
========== ================================ ======================== =============================
MUSAN      noise/free-sound                 file                     noise/sound-bible
DEMAND     12 environments                  time (60, 20, 20 %)      6 environments
DNS_NOISE  all                              file                     none
WHAM_NOISE tr; cv                           the corpus               tt
ESC50      8 of 10 classes of each group    fold (5: dev and seen)   2 of 10 classes of each group
NOISE      four of five files               time (60, 20, 20 %)      every fifth file
========== ================================ ======================== =============================
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from espnet_cbpc.utils import download
from espnet_cbpc.utils.cli import UserError, listed

MUSAN_URL = "https://www.openslr.org/resources/17/musan.tar.gz"
MUSAN_MD5 = "0c472d4fc0c5141eca47ad1ffeb2a7df"
USES = ("train", "dev", "seen", "unseen")
AUDIO = {".flac", ".ogg", ".wav"}
DEMAND_UNSEEN = ("DLIVING", "NPARK", "OOFFICE", "PCAFETER", "SPSQUARE", "TBUS")
WHOLE = (0, 100)
BY_TIME = {"train": (0, 60), "dev": (60, 80), "seen": (80, 100)}
Shares = dict[str, tuple[int, int]]  # by use: first per cent of the file and end


def _by_file(path: Path, index: int) -> Shares:
    """Nine of ten files are for training, the tenth in turn for development and the seen test."""
    return {{0: "dev", 10: "seen"}.get(index % 20, "train"): WHOLE}


def _musan(path: Path, index: int) -> Shares:
    return {"unseen": WHOLE} if path.parent.name == "sound-bible" else _by_file(path, index)


def _demand(path: Path, index: int) -> Shares:
    return {"unseen": WHOLE} if path.parent.name in DEMAND_UNSEEN else BY_TIME


def _wham(path: Path, index: int) -> Shares:
    held_out = ("dev", "seen")[index % 2]
    return {{"tr": "train", "cv": held_out, "tt": "unseen"}[path.parent.name]: WHOLE}


def _esc50(path: Path, index: int) -> Shares:
    fold, source, _, target = path.stem.split("-")
    if int(target) % 10 >= 8:
        return {"unseen": WHOLE}
    if fold != "5":  # folds keep the clips of one recording together
        return {"train": WHOLE}
    return {("dev", "seen")[int(source) % 2]: WHOLE}


def _folder(path: Path, index: int) -> Shares:
    return {"unseen": WHOLE} if index % 5 == 4 else BY_TIME


@dataclass(frozen=True)
class Corpus:
    """How a corpus is laid out.

    Attributes:
        roots: folders below the user's in which the files may lie.
        pattern: of the files, below that folder; those of ``AUDIO`` count.
        shares: what a file is used for, by its path and its place in the sorted list.
    """

    roots: tuple[str, ...]
    pattern: str
    shares: Callable[[Path, int], Shares]


CORPORA = {
    "MUSAN": Corpus((".", "musan"), "noise/*/*", _musan),
    # the 16 channels of an environment heard the same: one is enough
    "DEMAND": Corpus((".",), "**/ch01.wav", _demand),
    "DNS_NOISE": Corpus((".",), "**/*", _by_file),
    "WHAM_NOISE": Corpus((".", "wham_noise"), "[tc][rvt]/*", _wham),
    "ESC50": Corpus((".", "ESC-50-master"), "audio/[1-5]-*-*-*", _esc50),
    "NOISE": Corpus((".",), "**/*", _folder),
}


@dataclass(frozen=True)
class Noise:
    """A noise file, or the share of it, that serves one use.

    Attributes:
        corpus: the corpus, as its variable is called in small letters.
        file: path below the folder of all corpora, such as ``musan/noise/free-sound/x.wav``.
        share: first per cent of the file and end.
    """

    corpus: str
    file: str
    share: tuple[int, int]


def locate(given: Mapping[str, str], url: str, downloads: Path) -> dict[str, Path]:
    """Return the folder of each corpus, by its name in small letters.

    Args:
        given: the user's folders by variable; those that are empty are left out, and if all are,
            MUSAN is downloaded.
        url: archive of MUSAN.
        downloads: where it is kept.

    Raises:
        UserError: no such folder, no noise in it, or a failed download.
    """
    given = {variable: folder for variable, folder in given.items() if folder}
    if not given:
        try:
            download.obtain(url, downloads / "musan", MUSAN_MD5)
        except UserError as e:
            raise UserError(f"{e}; or name your noise in db.sh: {listed(CORPORA, 9)}") from e
        given = {"MUSAN": str(downloads / "musan")}
    return {variable.lower(): _root(variable, Path(given[variable])) for variable in sorted(given)}


def _root(variable: str, folder: Path) -> Path:
    if not folder.is_dir():
        raise UserError(f"{variable}={folder}: no such folder: correct {variable} in db.sh")
    corpus = CORPORA[variable]
    for root in (folder / name for name in corpus.roots):
        if next(_files(root, corpus.pattern), None):
            return root
    raise UserError(
        f"{variable}={folder}: no noise: looked for {corpus.pattern} "
        f"({', '.join(sorted(AUDIO))}) in {listed(folder / name for name in corpus.roots)}: "
        f"correct {variable} in db.sh"
    )


def _files(root: Path, pattern: str) -> Iterator[Path]:
    found = root.glob(pattern)
    return (p for p in found if p.suffix.lower() in AUDIO and not p.name.startswith("."))


def noises(roots: Mapping[str, Path], unseen: tuple[str, ...] = ()) -> dict[str, list[Noise]]:
    """Return the noises of each use, in an order that does not depend on the file system.

    Args:
        roots: what :func:`locate` returns.
        unseen: corpora of which everything is unseen.

    Raises:
        UserError: a corpus in ``unseen`` is not among them, or a use has no noise.
    """
    unknown = sorted(set(unseen) - set(roots))
    if unknown:
        raise UserError(
            f"--unseen_noise {listed(unknown)}: not among the corpora in use ({listed(roots)})"
        )
    found: dict[str, list[Noise]] = {use: [] for use in USES}
    for corpus, root in sorted(roots.items()):
        layout = CORPORA[corpus.upper()]
        paths = sorted(path.relative_to(root) for path in _files(root, layout.pattern))
        for index, path in enumerate(paths):
            shares = {"unseen": WHOLE} if corpus in unseen else layout.shares(path, index)
            for use, share in shares.items():
                found[use].append(Noise(corpus, f"{corpus}/{path.as_posix()}", share))
    empty = [use for use, members in found.items() if not members]
    if empty:
        raise UserError(
            f"no noise for {listed(empty)} in {listed(roots.values())}: name another corpus in "
            f"db.sh ({listed(CORPORA, 9)}), or one to reserve for test_unseen with --unseen_noise"
        )
    return found
