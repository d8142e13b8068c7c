# SPDX-License-Identifier: Apache-2.0
"""The options of dynamic mixing, checked before training starts."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Optional, TypeVar

from espnet_cbpc.data.kaldi.kaldi_dir import read_table
from espnet_cbpc.utils.cli import UserError, listed

INF = float("inf")
RANGES = {"snr_db": (-INF, INF), "num_noises": (1, INF), "level_db": (-INF, INF)}
NUMBERS = {
    "fs": (1, 1_000_000),
    "clean_prob": (0, 1),
    "given_prob": (0, 1),
    "rir_prob": (0, 1),
    "early_ms": (0, 1000),
}
FILES = ("noise_scp", "rir_scp", "noise_rir_scp")


Config = TypeVar("Config", bound="DynamicMixingConfig")


@dataclasses.dataclass(frozen=True)
class DynamicMixingConfig:
    """What is drawn for each training utterance; a range is [low, high] and drawn from uniformly.

    Attributes:
        noise_scp: Kaldi list of noise recordings (lines ``id path``).
        fs: sampling rate of the training data in Hz.
        snr_db: range of the signal-to-noise ratio over the speech-active samples.
        num_noises: range of the number of noises, which are added with equal power.
        level_db: range of the gain of the speech, before it is mixed.
        clean_prob: share of utterances that stay clean (their category becomes CLEAN).
        given_prob: share of utterances that are taken as the data directory gives them: the noisy
            recording of a SIMU utterance, the clean one of a CLEAN one. All others are mixed.
        rir_scp: Kaldi list of room impulse responses; None: no reverberation.
        rir_prob: share of the mixed utterances that are reverberated.
        early_ms: reflections that the reference keeps, in ms after the direct path.
    """

    noise_scp: str
    fs: int
    snr_db: tuple[float, float] = (-5.0, 20.0)
    num_noises: tuple[int, int] = (1, 1)
    level_db: tuple[float, float] = (0.0, 0.0)
    clean_prob: float = 0.0
    given_prob: float = 0.0
    rir_scp: Optional[str] = None
    rir_prob: float = 0.5
    early_ms: float = 50.0

    @classmethod
    def parse(cls: type[Config], options: Mapping[str, Any]) -> Config:
        """Check ``options`` and fill in what they leave out.

        Raises:
            UserError: an unknown or missing option, or a value of the wrong kind or out of range.
        """
        if not isinstance(options, Mapping):
            fail(f"is {options!r}: must hold 'option: value' lines")
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(map(str, options.keys() - set(known)))
        if unknown:
            fail(f"unknown option(s) {', '.join(unknown)}: use {', '.join(known)}")
        for name in ("noise_scp", "fs"):
            if options.get(name) is None:
                fail(f"{name} is not given: set it")
        for name, value in options.items():
            if name in RANGES:
                _check_range(name, value, whole=name == "num_noises")
            elif name in NUMBERS:
                _check_number(name, value, *NUMBERS[name], whole=name == "fs")
            elif name in FILES and not isinstance(value, (str, type(None))):
                fail(f"{name} is {value!r}: must be the name of a file")
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in options.items()
        }
        config = cls(**values)
        if config.clean_prob + config.given_prob > 1 + 1e-9:
            fail("clean_prob and given_prob add up to more than 1: lower one of them")
        return config


def fail(problem: str) -> NoReturn:
    """Raise a :class:`UserError` of these options."""
    raise UserError(f"dynamic_mixing_conf: {problem}")


def is_number(value: object, low: float, high: float, whole: bool) -> bool:
    """Return whether a value is a number within bounds, a whole one where asked for."""
    kinds = int if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high


def _check_number(name: str, value: object, low: float, high: float, whole: bool) -> None:
    if not is_number(value, low, high, whole):
        kind = "a whole number" if whole else "a number"
        fail(f"{name} is {value!r}: must be {kind} from {low} to {high}")


def _check_range(name: str, value: object, whole: bool) -> None:
    low, high = RANGES[name]
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        fail(f"{name} is {value!r}: must be a range [low, high]")
    if not all(is_number(v, low, high, whole) and abs(v) < INF for v in value):
        kind = f"whole numbers, {low} at least" if whole else "finite numbers"
        fail(f"{name} is {value!r}: must hold {kind}")
    if value[0] > value[1]:
        fail(f"{name} is {value!r}: its low end is above its high end")


def read_recordings(name: str, path: str) -> tuple[str, ...]:
    """Return the audio files of a Kaldi list that the option ``name`` gives.

    Raises:
        UserError: the list is missing, malformed or empty, or files that it names are missing.
    """
    paths = tuple(read_table(path).values())
    check_found(name, path, paths)
    return paths


def check_found(name: str, path: str, files: Sequence[str]) -> None:
    """Raise a :class:`UserError` where the list of an option is empty, or files are gone."""
    if not files:
        fail(f"{name} {path} lists no recordings: add some, or choose another list")
    missing = [file for file in files if not Path(file).is_file()]
    if missing:
        fail(
            f"{name} {path}: {len(missing)} of {len(files)} recording(s) not found "
            f"({listed(missing)}): correct the paths"
        )
