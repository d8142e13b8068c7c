# SPDX-License-Identifier: Apache-2.0
"""The options of decoding: read from a YAML file, or packed with a model, and fitted to the model."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Optional

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import PathLike, read_yaml

INF = float("inf")
RANGES = {"beam_size": (1, INF), "nbest": (1, INF), "ctc_weight": (0, 1), "penalty": (-INF, INF)}
PACKED = "decode.yaml"  # beside the parameters of a packed model


@dataclass(frozen=True)
class DecodingConfig:
    """Options of the search, as ESPnet names them, and one more.

    Attributes:
        ctc_greedy: no search, but the best token of each frame by CTC alone; ESPnet with
            ``beam_size`` 1 and ``ctc_weight`` 1.0 takes the best prefix instead, which is slower.
        beam_size: hypotheses kept in the beam.
        ctc_weight: weight of the CTC score in [0, 1]; the decoder has the rest.
        ctc_window_margin: encoder frames to each side of a hypothesis's place that its CTC score
            looks at; 0: all frames, which is exact. ESPnet has it from 202611 on, where its own
            default is 100.
        lm_weight: weight of the language model score.
        penalty: reward per token.
        maxlenratio: longest hypothesis per encoder frame (0: as long as the input).
        minlenratio: shortest hypothesis per encoder frame.
        nbest: hypotheses that the search returns, of which the first is taken.
    """

    ctc_greedy: bool = False
    beam_size: int = 20
    ctc_weight: float = 0.5
    ctc_window_margin: int = 0
    lm_weight: float = 1.0
    penalty: float = 0.0
    maxlenratio: float = 0.0
    minlenratio: float = 0.0
    nbest: int = 1

    @classmethod
    def read(cls, path: PathLike) -> "DecodingConfig":
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
    def of_model(cls, model_file: PathLike) -> "DecodingConfig":
        """Return the options that are packed with a model, or the defaults.

        Args:
            model_file: parameters of the model; the options are in ``decode.yaml`` beside them.

        Raises:
            UserError: as :meth:`read` does.
        """
        packed = Path(model_file).with_name(PACKED)
        return cls.read(packed) if packed.is_file() else cls()

    def fitted(self, has_decoder: bool, vocabulary: Optional[int]) -> "DecodingConfig":
        """Return the options that a model can be searched with.

        Without a decoder CTC has all the weight: with less, ESPnet chooses the tokens to look at by
        scorers that do not exist. A beam as wide as the vocabulary ends no hypothesis.

        Args:
            has_decoder: whether the model has a decoder beside CTC.
            vocabulary: number of its tokens; None: not known.
        """
        fitted = self
        if not has_decoder and self.ctc_weight != 1.0:
            fitted = replace(fitted, ctc_weight=1.0)
        if vocabulary is not None and self.beam_size >= vocabulary:
            fitted = replace(fitted, beam_size=max(1, vocabulary - 1))
        for name, value in asdict(fitted).items():
            if value != getattr(self, name) and not self.ctc_greedy:
                logging.info("%s is %s for this model, not %s", name, value, getattr(self, name))
        return fitted

    @classmethod
    def check(cls, options: Mapping[str, Any], where: PathLike) -> None:
        """Raise ``UserError``, naming ``where``, if an option's value is out of its range."""
        for key, value in options.items():
            _check(where, key, value, type(getattr(cls, key)))


def _check(path: PathLike, key: str, value: Any, kind: type) -> None:
    low, high = RANGES.get(key, (0, INF))
    if kind is bool and not isinstance(value, bool):
        raise UserError(f"{path}: {key} is {value!r}: must be true or false")
    number = isinstance(value, (int, kind)) and isinstance(value, bool) == (kind is bool)
    if not number or not low <= value <= high:
        name = "a whole number" if kind is int else "a number"
        raise UserError(f"{path}: {key} is {value!r}: must be {name} from {low} to {high}")
