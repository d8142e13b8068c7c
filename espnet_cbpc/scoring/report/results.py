# SPDX-License-Identifier: Apache-2.0
"""``results.json``: what a report is made from, its types, and how it is read and written.

Shares are of 1, not in percent. None stands for what is undefined, as JSON has no nan.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import (
    Any,
    Optional,
    TypedDict,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import atomic_write

Interval = list[Optional[float]]  # its two ends


class ErrorRate(TypedDict):
    """Errors of a system on some utterances; counts are summed over its training seeds."""

    words: int
    substitutions: int
    deletions: int
    insertions: int
    correct: int
    errors: int
    rate: Optional[float]
    interval: Interval
    interval_kind: str
    seeds: list[Optional[float]]  # rate of each
    sentences: int
    wrong_sentences: int


class QualityMean(TypedDict):
    """Mean of a measure of speech quality over the utterances where it is defined."""

    mean: Optional[float]
    interval: Interval
    interval_kind: str
    seeds: list[Optional[float]]  # mean of each
    scored: int
    undefined: int


Means = dict[str, QualityMean]  # by measure


class _FurtherErrors(TypedDict, total=False):
    further: dict[str, dict[str, ErrorRate]]  # by breakdown table after the first, and value


class SetErrors(_FurtherErrors):
    """Errors of a system on a set: in total, by value of the first breakdown table, and ``mean``.

    ``mean`` is that of the groups of the SNRs ``mean_over``, where the set has all of them.
    """

    total: ErrorRate
    groups: dict[str, ErrorRate]
    mean: Optional[float]
    mean_interval: Optional[Interval]
    mean_seeds: Optional[list[Optional[float]]]


class _FurtherMeans(TypedDict, total=False):
    further: dict[str, dict[str, Means]]


class SetQuality(_FurtherMeans):
    """Speech quality of a system on a set: in total, and by value of the breakdown tables."""

    total: Means
    groups: dict[str, Means]


class Test(TypedDict):
    """A paired test of system ``a`` against system ``b``; ``difference`` is that of a less b."""

    set: str
    measure: str  # WER, CER or one of speech quality
    a: str
    b: str
    difference: Optional[float]
    interval: Interval
    interval_kind: str
    p: Optional[float]
    p_bootstrap: Optional[float]
    p_matched_pairs: Optional[float]
    seeds: int


class Bootstrap(TypedDict):
    """How intervals were made."""

    level: float
    resamples: int
    seed: int
    block: Optional[str]  # table whose values tell which utterances depend on one another


class _Normalized(TypedDict, total=False):
    text_normalizer: str  # what all texts went through; as they are without it


class Results(_Normalized):
    """All of it; of ``wer`` and ``cer`` the keys are system and set, of ``quality`` set and system.

    ``quality`` has neither sets nor systems without scores, and may have the unprocessed speech
    beside the systems.
    """

    header: dict[str, str]
    breakdown: str  # the first of
    breakdowns: list[str]
    mean_over: list[float]  # dB
    bootstrap: Bootstrap
    sets: list[str]
    systems: list[str]
    seeds: dict[str, int]
    wer: dict[str, dict[str, SetErrors]]
    cer: dict[str, dict[str, SetErrors]]
    quality: dict[str, dict[str, SetQuality]]
    tests: list[Test]


def groups_by(
    results: Results, of_set: Union[SetErrors, SetQuality], breakdown: str
) -> dict[str, Any]:
    """Return what a system has on a set for each value of a breakdown table; nothing without it."""
    if breakdown == results["breakdown"]:
        return of_set["groups"]
    return of_set.get("further", {}).get(breakdown, {})


def read_results(path: Union[str, Path], systems: Iterable[str] = ()) -> Results:
    """Read results.

    Args:
        path: of ``results.json``. What else than :class:`Results` says is in it does not matter.
        systems: names that it must have.

    Raises:
        UserError: it is missing, damaged or something else, or has no results of a system.
    """
    remedy = "make it with espnet_cbpc.bin.report"
    try:
        results = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise UserError(f"{path}: cannot be read as JSON ({e}): {remedy}") from e
    faults = list(_faults(results, Results)) or list(_gaps(results))
    if faults:
        raise UserError(f"{path}: not the results of a report ({listed(faults)}): {remedy}")
    strangers = [name for name in systems if name not in results["systems"]]
    if strangers:
        known = listed(results["systems"], len(results["systems"]))
        raise UserError(f"{path}: no system {listed(strangers)} in it; it has {known}")
    return cast(Results, results)


def write_results(path: Union[str, Path], results: Mapping[str, Any]) -> Results:
    """Write results, None for nan, and return them as :func:`read_results` would."""
    plain = json.loads(json.dumps(results), parse_constant=lambda _: None)
    with atomic_write(path) as f:
        json.dump(plain, f, indent=1, ensure_ascii=False, allow_nan=False)
        f.write("\n")
    return cast(Results, plain)


def numbers_file(report: Union[str, Path]) -> Path:
    """Return where the numbers of a report go: ``results.json``, beside ``RESULTS.md``.

    Any other ``<name>.md`` has them in ``<name>.json``, and so leaves ``results.json`` as it is.

    Raises:
        UserError: ``report`` does not end with ``.md``.
    """
    path = Path(report)
    if path.suffix != ".md":
        raise UserError(f"{report}: the report is a Markdown file: give it a name such as dev.md")
    name = "results" if path.name == "RESULTS.md" else path.stem
    return path.with_name(f"{name}.json")


def _faults(value: Any, kind: Any, place: str = "it") -> Iterator[str]:
    """Find values of the wrong type."""
    origin, inner = get_origin(kind), get_args(kind)
    required = getattr(kind, "__required_keys__", None)  # of a TypedDict
    plain = {float: (float, int)}.get(kind, origin or kind) if required is None else dict
    if origin is Union:  # Optional
        if value is not None:
            yield from _faults(value, inner[0], place)
    elif not isinstance(value, plain):
        yield f"{place} is {json.dumps(value):.20}"
    elif plain is list:
        for i, item in enumerate(value):
            yield from _faults(item, inner[0], f"{place}[{i}]")
    elif plain is dict:
        yield from (f"{place} lacks {key}" for key in sorted((required or set()) - value.keys()))
        kinds = dict.fromkeys(value, inner[-1]) if required is None else get_type_hints(kind)
        for key in kinds.keys() & value.keys():
            yield from _faults(value[key], kinds[key], f"{place}[{key!r}]")


def _gaps(results: Results) -> Iterator[str]:
    """Find systems that lack errors on a set."""
    for rate in (results["wer"], results["cer"]):
        for system in results["systems"]:
            without = set(results["sets"]) - rate.get(system, {}).keys()
            yield from (f"nothing of {system} on {name}" for name in without)
