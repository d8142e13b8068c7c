"""Clean references of the simulated sets, which the distribution does not hold.

The organisers made a simulated recording as speech plus noise, so its speech is what is left when
that noise is taken away again, exact up to rounding to 16 bits:

* tr05: the noise is the piece of ``backgrounds`` that the annotation names;
* dt05, et05: it is the piece of ``embedded`` that the annotation names, less the speech in it, which
  is its close-talk channel 0 filtered (:mod:`close_talk_filter`, the organisers' parameters).

If the noise was the right one, what is left is speech and has little to do with it: their correlation
must not exceed ``MOST_CORRELATION``. (A wrong piece of equal power gives -1/sqrt(2 + SNR): -0.41 at 5
dB and -0.17 at 15 dB.) Where it does, where the lengths differ, or where the piece is not there, the
reference is our own approximation instead: the dry recording behind the simulation (WSJ0 for tr05, the
booth recording for dt05 and et05), fitted to the simulated one by a gain and phase for each band and
second (``DRY``). That is nearly what the organisers' simulation does to it, a delay of some samples
that drifts and one equaliser, and so few numbers fit little of the noise.
"""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Dict, Optional, Sequence, Tuple, Union

import numpy as np
import soundfile
from chime4_corpus import FS, Corpus, Piece, Utterance
from chime4_wsj0 import Prompt
from close_talk_filter import filter_image

from espnet_cbpc.data.audio import PCM_16_STEP, AudioError, read_audio, write_audio
from espnet_cbpc.data.directory import whole_directory
from espnet_cbpc.utils.parallel import parallel_map

MOST_CORRELATION = 0.1
DRY = {"taps": 1, "first": 0, "block": FS}


@dataclass(frozen=True)
class Source:
    """What a reference can be made from.

    Attributes:
        noisy: the simulated recording.
        noise: the piece with its noise at the same microphone, if there.
        close: the close-talk channel of that piece, whose speech is not noise; None: all is noise.
        dry: the clean recording behind the simulation, if there.
    """

    noisy: Path
    noise: Optional[Piece]
    close: Optional[Piece]
    dry: Optional[Path]


def training_source(
    corpus: Corpus, utterance: Utterance, clean: Dict[Prompt, Path]
) -> Optional[Source]:
    """Return the source of an utterance of tr05_simu."""
    annotation = utterance.annotation
    noise = _at(corpus, "backgrounds", annotation.noise, utterance.channel)
    dry = clean[annotation.speaker, annotation.wsj_name]
    return Source(utterance.path, noise, None, dry)


def test_source(corpus: Corpus, utterance: Utterance, part: str) -> Optional[Source]:
    """Return the source of an utterance of dt05_simu or et05_simu; None where there is none.

    Args:
        corpus: CHiME-4.
        utterance: the utterance.
        part: ``dt05`` or ``et05``.
    """
    annotation = utterance.annotation
    noise = close = None
    if utterance.channel is not None:
        noise = _at(corpus, "embedded", annotation.noise, utterance.channel)
        close = _at(corpus, "embedded", annotation.noise, 0)
        if close is None:
            noise = None
    booth = f"{annotation.speaker}_{annotation.wsj_name}_BTH"
    folder = f"isolated/{part}_bth"
    dry = corpus.channel(folder, booth, 0) if corpus.has_channel(folder, booth, 0) else None
    return None if noise is None and dry is None else Source(utterance.path, noise, close, dry)


def _at(corpus: Corpus, folder: str, piece: Optional[Piece], channel: int) -> Optional[Piece]:
    if piece is None or not corpus.has_channel(folder, piece.recording, channel):
        return None
    path = corpus.channel(folder, piece.recording, channel)
    return piece._replace(recording=str(path))


def write_references(
    sources: Dict[str, Source], folder: Union[str, Path], nj: int
) -> Tuple[Dict[str, str], Counter]:
    """Write ``<folder>/<id>.wav`` for each source; the folder appears whole.

    Args:
        sources: by utterance id.
        folder: replaces an earlier one.
        nj: processes; the result does not depend on their number.

    Returns:
        The paths by id, without those that could not be made; and how many were made by
        ``subtraction``, by a ``filter``, and not at all (``none``).

    Raises:
        AudioError: a file that cannot be read.
    """
    folder = Path(folder)
    with whole_directory(folder, is_data_directory=False) as temporary:
        work = partial(_write_reference, folder=temporary)
        made = parallel_map(work, sources.items(), len(sources), nj, f"references {folder.name}")
        ways = dict(zip(sources, made))
    paths = {key: str(folder / f"{key}.wav") for key, way in ways.items() if way != "none"}
    return paths, Counter(ways.values())


def _write_reference(item: Tuple[str, Source], folder: Path) -> str:
    key, source = item
    noisy, _ = read_audio(source.noisy)
    way, speech = "subtraction", _subtract(noisy, source)
    if speech is None and source.dry is not None:
        way, speech = "filter", _filter_dry(noisy, source.dry)
    if speech is None:
        return "none"
    write_audio(folder / f"{key}.wav", np.clip(speech, -1, 1 - PCM_16_STEP), FS)
    return way


def _subtract(noisy: np.ndarray, source: Source) -> Optional[np.ndarray]:
    """Return the recording less its noise; None if that noise is not at hand or not in it."""
    if source.noise is None:
        return None
    noise = read_piece(source.noise)
    if source.close is not None and noise is not None:
        close = read_piece(source.close)
        noise = None if close is None else noise - filter_image(close, noise)
    if noise is None or len(noise) != len(noisy):
        return None
    speech = noisy - noise
    return speech if abs(correlation(speech, noise)) <= MOST_CORRELATION else None


def _filter_dry(noisy: np.ndarray, path: Path) -> np.ndarray:
    dry, _ = read_audio(path)
    dry = np.pad(dry, (0, max(0, len(noisy) - len(dry))))[: len(noisy)]
    return filter_image(dry, noisy, **DRY)


def correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the cosine of two signals; 0 where one is silent."""
    norm = np.linalg.norm(a) * np.linalg.norm(b)
    return float(np.dot(a, b) / norm) if norm else 0.0


def read_piece(piece: Piece) -> Optional[np.ndarray]:
    """Read a piece of a recording alone: (samples,) float32; None if it ends beyond the recording.

    Raises:
        AudioError: the file cannot be read.
    """
    try:
        with soundfile.SoundFile(piece.recording) as f:
            if not 0 <= piece.begin < piece.end <= f.frames:
                return None
            f.seek(piece.begin)
            return f.read(piece.end - piece.begin, dtype="float32")
    except (soundfile.LibsndfileError, OSError) as e:
        raise AudioError("not a readable audio file: replace it", piece.recording) from e
