"""The options of decoding, read from a YAML file."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Mapping, Union

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import read_yaml

INF = float("inf")
RANGES = {"beam_size": (1, INF), "nbest": (1, INF), "ctc_weight": (0, 1), "penalty": (-INF, INF)}


@dataclass(frozen=True)
class DecodingConfig:
    """Options of the search, as ESPnet names them, and one more.

    Attributes:
        ctc_greedy: no search, but the best token of each frame by CTC alone; ESPnet with
            ``beam_size`` 1 and ``ctc_weight`` 1.0 takes the best prefix instead, which is slower.
        beam_size: hypotheses kept in the beam.
        ctc_weight: weight of the CTC score in [0, 1]; the decoder has the rest.
        lm_weight: weight of the language model score.
        penalty: reward per token.
        maxlenratio: longest hypothesis per encoder frame (0: as long as the input).
        minlenratio: shortest hypothesis per encoder frame.
        nbest: hypotheses that the search returns, of which the first is taken.
    """

    ctc_greedy: bool = False
    beam_size: int = 20
    ctc_weight: float = 0.5
    lm_weight: float = 1.0
    penalty: float = 0.0
    maxlenratio: float = 0.0
    minlenratio: float = 0.0
    nbest: int = 1

    @classmethod
    def read(cls, path: Union[str, Path]) -> "DecodingConfig":
        """Read a YAML file of ``option: value`` lines.

        Raises:
            UserError: no such file, not YAML, an unknown option, or a value out of its range.
        """
        options = read_yaml(path)
        known = asdict(cls())
        unknown = sorted(map(str, options.keys() - known.keys()))
        if unknown:
            raise UserError(
                f"{path}: unknown option(s) {', '.join(unknown)}: use {', '.join(known)}"
            )
        cls.check(options, path)
        return cls(**options)

    @classmethod
    def check(cls, options: Mapping[str, Any], where: Union[str, Path]) -> None:
        """Raise ``UserError``, naming ``where``, if an option's value is out of its range."""
        for key, value in options.items():
            _check(where, key, value, type(getattr(cls, key)))


def _check(path: Union[str, Path], key: str, value: object, kind: type) -> None:
    low, high = RANGES.get(key, (0, INF))
    if kind is bool and not isinstance(value, bool):
        raise UserError(f"{path}: {key} is {value!r}: must be true or false")
    number = isinstance(value, (int, kind)) and isinstance(value, bool) == (kind is bool)
    if not number or not low <= value <= high:
        name = "a whole number" if kind is int else "a number"
        raise UserError(f"{path}: {key} is {value!r}: must be {name} from {low} to {high}")
