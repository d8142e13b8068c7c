# SPDX-License-Identifier: Apache-2.0
"""CHiME-4 as it lies on disk: its annotations, and the names of its files.

Layout and names are those of the organisers' distribution (LDC2017S24) and its simulation script:

    data/annotations/{tr05,dt05,et05}_{real,simu}.json, {dt05,et05}_{real,simu}_{1,2}ch_track.list
    data/transcriptions/<set>.dot_all
    data/audio/16kHz/isolated/<set>_<environment>_<kind>/<speaker>_<prompt>_<ENVIRONMENT>.CH<n>.wav
                     isolated_1ch_track/ the same folders of dt05 and et05, without .CH<n>
                     isolated_2ch_track/ the same, of each utterance the two channels in the list
                     isolated_6ch_track/ the same, with all channels
                     isolated/tr05_org, isolated/{dt05,et05}_bth, backgrounds, embedded
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Optional

from chime4_files import FS, OBTAIN, names_in

from espnet_cbpc.utils.cli import UserError, listed

CHANNELS = (1, 2, 3, 4, 5, 6)
FRONT_CHANNELS = (1, 3, 4, 5, 6)  # channel 2 is behind the tablet, and left out by convention
ENVIRONMENTS = ("BUS", "CAF", "PED", "STR")
# Utterances of the sets as the organisers' documentation gives them.
TRAIN_SETS = {"tr05_simu": 7138, "tr05_real": 1600}
TEST_SETS = {"dt05_simu": 1640, "dt05_real": 1640, "et05_simu": 1320, "et05_real": 1320}
COUNTS = {**TRAIN_SETS, **TEST_SETS}


class Piece(NamedTuple):
    """Samples [begin, end) of a recording; ``recording`` is a path, or a name without channel."""

    recording: str
    begin: int
    end: int


@dataclass(frozen=True)
class Annotation:
    """One entry of an annotation file.

    Attributes:
        speaker: such as F01 (CHiME-4) or 011 (WSJ0).
        wsj_name: the prompt, such as 011C0201.
        environment: one of ``ENVIRONMENTS``.
        noise: of simulated speech: where its noise was cut from, in ``backgrounds`` (tr05) or
            ``embedded`` (dt05, et05).
        recording: of real speech: where it was cut from, in ``embedded``; None: not told.
    """

    speaker: str
    wsj_name: str
    environment: str
    noise: Optional[Piece]
    recording: Optional[Piece] = None

    @property
    def name(self) -> str:
        """The name that files and transcripts of the utterance bear."""
        return f"{self.speaker}_{self.wsj_name}_{self.environment}"


class Corpus:
    """The folders of CHiME-4.

    Args:
        root: the folder that holds ``data``.
        diff: the folder of CHiME4_diff, or empty.

    Raises:
        UserError: ``root`` or ``diff`` is not such a folder.
    """

    def __init__(self, root: str, diff: str = ""):
        if not root:
            raise UserError("CHIME4 is not set: name the folder of CHiME-4 in db.sh")
        self.data = Path(root) / "data"
        self.annotation_dir = self.data / "annotations"
        self.transcription_dir = self.data / "transcriptions"
        self.audio = self.data / "audio" / f"{FS // 1000}kHz"
        for folder in (self.annotation_dir, self.transcription_dir, self.audio):
            if not folder.is_dir():
                raise UserError(f"CHIME4={root}: {folder} does not exist: {OBTAIN}")
        self.list_dirs = [self.annotation_dir]
        if diff:
            found = [p for p in (Path(diff), *Path(diff).glob("**/annotations")) if p.is_dir()]
            if not found:
                raise UserError(f"CHIME4_DIFF={diff}: no such folder: correct it in db.sh")
            self.list_dirs += found

    def annotations(self, set_name: str) -> list[Annotation]:
        """Read ``<set>.json``.

        Raises:
            UserError: the file is missing or is no such list, or an utterance occurs twice.
        """
        path = self.annotation_dir / f"{set_name}.json"
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
        except OSError as e:
            raise UserError(f"{path}: cannot be read ({e.strerror}): {OBTAIN}") from e
        except ValueError as e:
            raise UserError(f"{path}: not JSON ({e}): {OBTAIN}") from e
        if not isinstance(entries, list) or not entries:
            raise UserError(f"{path}: is not a list of utterances: {OBTAIN}")
        annotations = [_annotation(e, f"{path}: entry {n}") for n, e in enumerate(entries, 1)]
        counts = Counter(annotation.name for annotation in annotations)
        twice = sorted(name for name, count in counts.items() if count > 1)
        if twice:
            raise UserError(
                f"{path}: {len(twice)} utterance(s) occur twice ({listed(twice)}): {OBTAIN}"
            )
        return annotations

    def has_channel(self, folder: str, recording: str, channel: int) -> bool:
        """Return whether ``<folder>/<recording>.CH<channel>.wav`` is there."""
        return f"{recording}.CH{channel}.wav" in names_in(self.audio / folder)

    def channel(self, folder: str, recording: str, channel: int) -> Path:
        """Return the path of ``<folder>/<recording>.CH<channel>.wav``."""
        return self.audio / folder / f"{recording}.CH{channel}.wav"


def _annotation(entry: dict[str, Any], where: str) -> Annotation:
    try:
        noise = _piece(entry, "noise_") if "noise_wavfile" in entry else None
        recording = _piece(entry) if entry.keys() >= {"wavfile", "start", "end"} else None
        names = entry["speaker"], entry["wsj_name"], entry["environment"]
        found = Annotation(*names, noise, recording)
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        raise UserError(f"{where}: not a CHiME-4 annotation ({e!r}): {OBTAIN}") from e
    if found.environment not in ENVIRONMENTS:
        raise UserError(f"{where}: unknown environment {found.environment!r}: {OBTAIN}")
    return found


def _piece(entry: dict[str, Any], prefix: str = "") -> Piece:
    times = (_sample(entry[f"{prefix}{key}"]) for key in ("start", "end"))
    return Piece(entry[f"{prefix}wavfile"], *times)


def _sample(seconds: float) -> int:
    return int(seconds * FS + 0.5)  # the half rounded up, as MATLAB does
