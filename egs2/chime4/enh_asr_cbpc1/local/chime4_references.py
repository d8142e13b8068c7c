# SPDX-License-Identifier: Apache-2.0
"""Clean references of the simulated sets, which the distribution does not hold.

The organisers made a simulated recording as speech plus noise, so its speech is what is left when
that noise is taken away again, exact up to rounding to 16 bits:

* tr05: the noise is the piece of ``backgrounds`` that the annotation names;
* dt05, et05: it is the piece of ``embedded`` that the annotation names, less the speech in it,
  which is its close-talk channel 0 filtered (:mod:`close_talk_filter`, the organisers' parameters).

If the noise was the right one, what is left is speech and has little to do with it: their
correlation must not exceed ``MOST_CORRELATION``. (A wrong piece of equal power gives
-1/sqrt(2 + SNR): -0.44 at 5 dB and -0.17 at 15 dB.) Where it does, where the lengths differ, or
where the piece is missing, the reference is our own approximation instead: the dry recording
behind the simulation (WSJ0 for tr05, the booth recording for dt05 and et05), fitted to the
simulated one by a gain and phase for each band and second (``DRY``). That is nearly what the
organisers' simulation does to it, a delay of some samples that drifts and one equaliser, and so few
numbers fit little of the noise.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Optional

import numpy as np
from chime4_corpus import TRAIN_SETS, Corpus, Piece
from chime4_files import FS
from chime4_tracks import Utterance
from chime4_wsj0 import Prompt
from close_talk_filter import filter_image

from espnet_cbpc.data.audio.audio_file import PCM_16_STEP, read_audio, read_header, write_audio
from espnet_cbpc.data.audio.map_audio import map_audio
from espnet_cbpc.data.kaldi.atomic_dir import whole_directory

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


def make_references(
    corpus: Corpus,
    set_name: str,
    utterances: Sequence[Utterance],
    clean: dict[Prompt, Path],
    folder: Path,
    nj: int,
) -> dict[str, str]:
    """Write the references of a simulated set, each at the reference microphone.

    It is logged how many came about which way.

    Args:
        corpus: CHiME-4.
        set_name: the set.
        utterances: those of the set.
        clean: recordings of WSJ0.
        folder: gets the references, ``<id>.wav``; it is written atomically and replaces an earlier one.
        nj: processes; the result does not depend on their number.

    Returns:
        Their paths by id, without those that cannot be made.

    Raises:
        UserError: files that cannot be read, all of them.
    """
    if set_name not in TRAIN_SETS and any(u.channel is None for u in utterances):
        logging.warning(
            "%s_1ch_track.list not found: set CHIME4_DIFF for better references", set_name
        )
    sources = {u.id: _source(corpus, set_name, u, clean) for u in utterances}
    with whole_directory(folder, is_data_directory=False) as temporary:
        work = partial(_write_reference, folder=temporary)
        items = ((key, (key, source)) for key, source in sources.items())
        ways = map_audio(work, items, len(sources), nj, f"references {set_name}", set_name)
    counts = Counter(ways.values())
    logging.info(
        "%s: %d references by subtracting the noise, %d by filtering the dry speech",
        *(set_name, counts["subtraction"], counts["filter"]),
    )
    if counts["none"]:
        logging.warning(
            "%s: %d of %d utterances get no reference and become REAL: neither embedded/ nor "
            "isolated/%s_bth has what it takes",
            *(set_name, counts["none"], len(ways), set_name[:4]),
        )
    return {key: str(folder / f"{key}.wav") for key, way in ways.items() if way != "none"}


def _source(
    corpus: Corpus, set_name: str, utterance: Utterance, clean: dict[Prompt, Path]
) -> Source:
    annotation, channel = utterance.annotation, utterance.channel
    if set_name in TRAIN_SETS:
        noise = _at(corpus, "backgrounds", annotation.noise, channel)
        dry = clean[annotation.speaker, annotation.wsj_name]
        return Source(utterance.path, noise, None, dry)
    noise = _at(corpus, "embedded", annotation.noise, channel)
    close = _at(corpus, "embedded", annotation.noise, 0)
    booth = f"{annotation.speaker}_{annotation.wsj_name}_BTH"
    folder = f"isolated/{set_name[:4]}_bth"
    dry = corpus.channel(folder, booth, 0) if corpus.has_channel(folder, booth, 0) else None
    return Source(utterance.path, None if close is None else noise, close, dry)


def _at(
    corpus: Corpus, folder: str, piece: Optional[Piece], channel: Optional[int]
) -> Optional[Piece]:
    if piece is None or channel is None:
        return None
    if not corpus.has_channel(folder, piece.recording, channel):
        return None
    path = corpus.channel(folder, piece.recording, channel)
    return piece._replace(recording=str(path))


def _write_reference(item: tuple[str, Source], folder: Path) -> str:
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
    frames, _ = read_header(piece.recording)
    if not 0 <= piece.begin < piece.end <= frames:
        return None
    return read_audio(piece.recording, part=(piece.begin, piece.end))[0]
