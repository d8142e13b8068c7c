"""The two corpora: where they are, where they come from, and whether they are whole."""

from pathlib import Path
from typing import Dict, NamedTuple, Tuple, Union

from espnet_cbpc.data.audio.audio_file import AudioError, check_sounding
from espnet_cbpc.utils import download
from espnet_cbpc.utils.cli import UserError, listed

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")


class Corpus(NamedTuple):
    """A corpus of mono wav files in one folder.

    Attributes:
        variable: its name in db.sh.
        url: the zip of the original.
        folder: the folder inside the original that holds the files.
        names: the files of the complete corpus.
        rate: their sampling rate in Hz.
    """

    variable: str
    url: str
    folder: str
    names: Tuple[str, ...]
    rate: int


FSDD = Corpus(
    variable="FSDD",
    url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.zip",
    folder="recordings",
    names=tuple(f"{d}_{s}_{i}.wav" for d in range(10) for s in SPEAKERS for i in range(50)),
    rate=8000,
)
NONSPEECH = Corpus(
    variable="NONSPEECH",
    url="http://web.cse.ohio-state.edu/pnl/corpus/HuNonspeech/Nonspeech.zip",
    folder="Nonspeech",
    names=tuple(f"n{number}.wav" for number in range(1, 101)),
    rate=20000,
)


def obtain(corpus: Corpus, given: str, url: str, downloads: Union[str, Path]) -> Path:
    """Return the folder with the corpus's files, downloaded where the user has named none.

    Args:
        corpus: which one.
        given: the user's folder: the files themselves, or the unpacked original around them; or
            empty.
        url: the zip to download.
        downloads: where downloads are kept; one that is complete is used again.

    Raises:
        UserError: no such folder, no files of the corpus in it, or a failed download.
    """
    if given:
        root = Path(given)
        remedy = f"correct {corpus.variable} in db.sh, or leave it empty to download the corpus"
        if not root.is_dir():
            raise UserError(f"{corpus.variable}={given}: no such folder: {remedy}")
    else:
        root = Path(downloads) / corpus.variable.lower()
        remedy = f"remove {root} to download it again"
        _fetch(corpus, url, root)
    for folder in (root, root / corpus.folder, *sorted(root.glob(f"*/{corpus.folder}"))):
        if any((folder / name).is_file() for name in corpus.names):
            return folder
    raise UserError(
        f"{root}: none of {listed(corpus.names)} is here, nor in {corpus.folder}/: {remedy}"
    )


def _fetch(corpus: Corpus, url: str, root: Path) -> None:
    try:
        download.obtain(url, root)
    except UserError as e:
        raise UserError(
            f"{e}; or set {corpus.variable}=<folder> in db.sh if you have a copy"
        ) from e


def lengths(corpus: Corpus, folder: Path) -> Dict[str, int]:
    """Check every file of the corpus and return its samples by name.

    Raises:
        UserError: files are missing, truncated, unreadable, silent, or of another rate or channel
            count.
    """
    remedy = f"complete the folder, or leave {corpus.variable} empty in db.sh to download it"
    missing = [name for name in corpus.names if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{folder}: {len(missing)} of {len(corpus.names)} files are missing "
            f"({listed(missing)}): {remedy}"
        )
    samples: Dict[str, int] = {}
    faults = []
    for name in corpus.names:
        try:
            samples[name], rate = check_sounding(folder / name)
        except AudioError as e:
            faults.append(f"{name}: {e.problem}")
            continue
        if rate != corpus.rate:
            faults.append(f"{name}: {rate} Hz instead of {corpus.rate} Hz")
    if faults:
        raise UserError(
            f"{folder}: {len(faults)} of {len(corpus.names)} files cannot be used "
            f"({listed(faults)}): restore the original files"
        )
    return samples
