# SPDX-License-Identifier: Apache-2.0
"""The recordings of each set in CHiME-4's tracks of one, two and six channels.

Training reads ``isolated``, where all channels of tr05 are; the tracks are dt05's and et05's alone.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Optional

from chime4_corpus import TRAIN_SETS, Annotation, Corpus
from chime4_files import FS, OBTAIN

from espnet_cbpc.data.kaldi.text_rules import read_lines
from espnet_cbpc.utils.cli import UserError, listed

TRACKS = ("1ch", "2ch", "6ch")
OTHER_TAKE = FS  # samples by which a recording may be longer or shorter than it is annotated


@dataclass(frozen=True)
class Utterance:
    """A noisy recording of a data directory.

    Attributes:
        id: of the utterance there.
        annotation: what it is.
        paths: its files, a channel each; that of the reference microphone first.
        channel: the reference microphone; None where it is not known.
    """

    id: str
    annotation: Annotation
    paths: tuple[Path, ...]
    channel: Optional[int]

    @property
    def path(self) -> Path:
        """The file of the reference microphone."""
        return self.paths[0]


def utterances(
    corpus: Corpus, set_name: str, track: str, channels: Sequence[int]
) -> list[Utterance]:
    """Return the recordings of a set for a track.

    Args:
        corpus: CHiME-4.
        set_name: one of its sets.
        track: one of ``TRACKS``.
        channels: microphones, the reference first. For 1ch each one of tr05 is an utterance of its
            own; for 2ch an utterance of tr05 has two of them, drawn by its name, and one of dt05 or
            et05 has those of the track's list.

    Raises:
        UserError: annotations or lists that cannot be used.
    """
    annotations = corpus.annotations(set_name)
    is_training = set_name in TRAIN_SETS
    if track == "1ch" and is_training:
        return _each_channel(corpus, set_name, annotations, channels)
    if track == "1ch":
        return _one_channel(corpus, set_name, annotations)
    if track == "6ch":
        heard = dict.fromkeys((a.name for a in annotations), tuple(channels))
    elif is_training:
        heard = {a.name: drawn_pair(a.name, channels) for a in annotations}
    else:
        heard = _pairs(corpus, set_name, annotations)
    folder = "isolated" if is_training else f"isolated_{track}_track"
    return [_array(corpus, set_name, a, folder, heard[a.name]) for a in annotations]


def check_lengths(found: Sequence[Utterance], lengths: Mapping[Path, int], name: str) -> None:
    """Check that the channels of each recording are of one length, and a real one as annotated.

    Args:
        found: the recordings of a set.
        lengths: samples of each of their files.
        name: the set.

    Raises:
        UserError: some are not.
    """
    uneven = [
        f"{u.id}: {', '.join(str(lengths[path]) for path in u.paths)}"
        for u in found
        if len({lengths[path] for path in u.paths}) > 1
    ]
    if uneven:
        raise UserError(
            f"{name}: the channels of {len(uneven)} of {len(found)} recordings differ in length "
            f"({listed(uneven)} samples): {OBTAIN}"
        )
    other = [
        f"{u.id}: {lengths[u.path] / FS:.1f} s, annotated {_annotated(u) / FS:.1f} s"
        for u in found
        if u.annotation.recording and abs(lengths[u.path] - _annotated(u)) > OTHER_TAKE
    ]
    if other:
        raise UserError(
            f"{name}.json: {len(other)} of {len(found)} annotations belong to other takes than "
            f"the recordings ({listed(other)}): {OBTAIN}; or remove these entries from it"
        )


def _annotated(utterance: Utterance) -> int:
    piece = utterance.annotation.recording
    return piece.end - piece.begin


def _each_channel(
    corpus: Corpus, set_name: str, annotations: Sequence[Annotation], channels: Sequence[int]
) -> list[Utterance]:
    found = []
    for annotation in annotations:
        for channel in channels:
            one = _array(corpus, set_name, annotation, "isolated", (channel,))
            name = f"{annotation.name}.CH{channel}_{_kind(set_name)}"
            found.append(Utterance(name, annotation, one.paths, channel))
    return found


def _one_channel(
    corpus: Corpus, set_name: str, annotations: Sequence[Annotation]
) -> list[Utterance]:
    lists, found = track_channels(corpus, set_name, "1ch"), []
    for annotation in annotations:
        folder = corpus.audio / "isolated_1ch_track" / _folder(set_name, annotation)
        path, channel = folder / f"{annotation.name}.wav", lists.get(annotation.name, [None])[0]
        name = f"{annotation.name}_{_kind(set_name)}"
        found.append(Utterance(name, annotation, (path,), channel))
    return found


def _array(
    corpus: Corpus, set_name: str, annotation: Annotation, folder: str, channels: Sequence[int]
) -> Utterance:
    folder = f"{folder}/{_folder(set_name, annotation)}"
    paths = tuple(corpus.channel(folder, annotation.name, channel) for channel in channels)
    return Utterance(f"{annotation.name}_{_kind(set_name)}", annotation, paths, channels[0])


def drawn_pair(name: str, channels: Sequence[int]) -> tuple[int, int]:
    """Return two of several channels in either order, all as often, always the same of a name."""
    pairs = list(permutations(channels, 2))
    drawn = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
    return pairs[drawn % len(pairs)]


def _pairs(
    corpus: Corpus, set_name: str, annotations: Sequence[Annotation]
) -> dict[str, list[int]]:
    """Return the two microphones of each utterance of the 2ch track.

    Raises:
        UserError: there is no list, or not two microphones of each utterance in it.
    """
    name, pairs = f"{set_name}_2ch_track.list", track_channels(corpus, set_name, "2ch")
    if not pairs:
        raise UserError(
            f"{name}: neither in {' nor in '.join(map(str, corpus.list_dirs))}: unpack the "
            "annotations again, or name CHIME4_DIFF in db.sh, the folder of CHiME4_diff"
        )
    odd = [a.name for a in annotations if len(set(pairs.get(a.name, ()))) != 2]
    if odd:
        raise UserError(
            f"{name}: {len(odd)} of {len(annotations)} annotated utterances do not have two "
            f"channels in it ({listed(odd)}): {OBTAIN}"
        )
    return pairs


def track_channels(corpus: Corpus, set_name: str, track: str) -> dict[str, list[int]]:
    """Return the microphones of each utterance in the list of a track; {} where there is no list.

    Raises:
        UserError: a line of the list names something else than files of channels.
    """
    paths = [folder / f"{set_name}_{track}_track.list" for folder in corpus.list_dirs]
    path = next((p for p in paths if p.is_file()), None)
    channels: dict[str, list[int]] = {}
    for number, line in enumerate(read_lines(path) if path else [], 1):
        for file in line.split() or [""]:
            name, _, channel = Path(file).stem.rpartition(".CH")
            if not name or not channel.isdecimal():
                raise UserError(f"{path}:{number}: names no file <name>.CH<n>.wav: {OBTAIN}")
            channels.setdefault(name, []).append(int(channel))
    return channels


def _kind(set_name: str) -> str:
    return set_name[-4:].upper()


def _folder(set_name: str, annotation: Annotation) -> str:
    part, _, kind = set_name.partition("_")
    return f"{part}_{annotation.environment.lower()}_{kind}"
