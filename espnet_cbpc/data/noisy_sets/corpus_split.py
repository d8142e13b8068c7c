# SPDX-License-Identifier: Apache-2.0
"""Split speakers and noises between training and the other sets."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from espnet_cbpc.utils.cli import UserError, listed


class Speakers(NamedTuple):
    """The speakers of each set; no two sets share one."""

    train: list[str]
    dev: list[str]
    test: list[str]


class Noises(NamedTuple):
    """The noise files used in training, and those for the test alone."""

    seen: list[str]
    unseen: list[str]


def split_speakers(
    speakers: Sequence[str],
    dev: Sequence[str],
    test: Sequence[str],
    dev_fraction: float,
    test_fraction: float,
    rng: np.random.Generator,
) -> Speakers:
    """Split speakers into three sets.

    Args:
        speakers: all of them.
        dev: those of dev; none: drawn.
        test: those of the test; none: drawn.
        dev_fraction: of all speakers, where they are drawn, one at least.
        test_fraction: likewise.
        rng: random generator.

    Returns:
        The sets, each sorted.

    Raises:
        UserError: a name that is not among the speakers or is in both lists, or too few speakers.
    """
    known = sorted(set(speakers))
    _check_known(test, known, "--test_speakers", "speaker")
    _check_known(dev, known, "--dev_speakers", "speaker")
    both = sorted(set(test) & set(dev))
    if both:
        raise UserError(f"{listed(both)}: in both --dev_speakers and --test_speakers")
    free = [speaker for speaker in known if speaker not in (*dev, *test)]
    left = [free[place] for place in rng.permutation(len(free)).tolist()]
    test = list(test) or _take(left, test_fraction * len(known))
    dev = list(dev) or _take(left, dev_fraction * len(known))
    if not (left and dev and test):
        raise UserError(
            f"{len(known)} speaker(s) ({listed(known)}) are too few for disjoint train, dev and test "
            "sets: put the recordings of each speaker into a folder of its own, or name "
            "the speakers in a table utt2spk (parts of the recordings, if one alone speaks)"
        )
    return Speakers(sorted(left), sorted(dev), sorted(test))


def split_noises(
    files: Sequence[str], unseen: Sequence[str], fraction: float, rng: np.random.Generator
) -> Noises:
    """Split noise files into seen and unseen ones.

    Args:
        files: paths of all of them.
        unseen: the unseen ones, or folders of them; none: drawn.
        fraction: of the files, where they are drawn, one at least.
        rng: random generator.

    Returns:
        The parts, each sorted.

    Raises:
        UserError: an unknown name, or a part that would be empty.
    """
    files = sorted(files)
    lost = [place for place in unseen if not any(_is_below(file, place) for file in files)]
    _check_known(lost, files, "--unseen_noise", "noise file or folder")
    shuffled = [files[place] for place in rng.permutation(len(files)).tolist()]
    kept_away = {file for file in files if any(_is_below(file, place) for place in unseen)}
    kept_away = kept_away or set(_take(shuffled, fraction * len(files)))
    seen = [file for file in files if file not in kept_away]
    if not seen:
        raise UserError(
            f"all of {len(files)} noise file(s) are unseen, which leaves none for training: add "
            "noise, or change --unseen_noise or --unseen_fraction"
        )
    return Noises(seen, sorted(kept_away))


def _take(names: list[str], count: float) -> list[str]:
    """Take about ``count`` names, one at least, out of the list."""
    number = max(1, round(count))
    taken, names[:] = names[:number], names[number:]
    return taken


def _is_below(file: str, place: str) -> bool:
    path, folder = PurePosixPath(file), PurePosixPath(place)
    return path == folder or folder in path.parents


def _check_known(names: Sequence[str], known: Sequence[str], option: str, what: str) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(
            f"{option}: no such {what}: {listed(unknown)}; there are {len(known)}: {listed(known)}"
        )
