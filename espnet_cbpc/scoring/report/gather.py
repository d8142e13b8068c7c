# SPDX-License-Identifier: Apache-2.0
"""Results of several systems on several sets, gathered from files."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

from espnet_cbpc.data.kaldi.text_rules import read_text
from espnet_cbpc.scoring.report.markdown import render
from espnet_cbpc.scoring.report.provenance import provenance
from espnet_cbpc.scoring.report.results import Results, numbers_file, write_results
from espnet_cbpc.scoring.report.set_results import (
    MEAN_OVER,
    Split,
    quality_results,
    rate_results,
    read_split,
)
from espnet_cbpc.scoring.statistics.comparisons import (
    Pair,
    Test,
    add_matched_pairs,
    compare,
    pairs_to_test,
)
from espnet_cbpc.scoring.statistics.estimates import Resampling
from espnet_cbpc.scoring.statistics.utterance_scores import (
    PathLike,
    TextErrors,
    check_same_quality,
    measure_scores,
    read_hypotheses,
    read_quality,
)
from espnet_cbpc.scoring.wer.text_normalizer import NONE, normalized
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import atomic_write

NOISY = "noisy speech"
RATES = {"wer": "word", "cer": "char"}


def write_report(
    systems: Mapping[str, Union[PathLike, Sequence[PathLike]]],
    data_root: PathLike,
    sets: Sequence[str],
    output: PathLike,
    noisy_scores: Optional[PathLike] = None,
    breakdown: Union[str, Sequence[str]] = "utt2snr",
    header: Optional[Mapping[str, str]] = None,
    seed: int = 0,
    block: Optional[str] = None,
    compare_with: Optional[Sequence[str]] = None,
    resamples: int = 1000,
    notes: Optional[PathLike] = None,
    text_normalizer: str = NONE,
) -> Results:
    """Write a Markdown report, and the numbers that it is made from beside it; return these.

    Args:
        systems: name of each system to its folder with ``<set>/text`` and, where it enhances,
            ``<set>/score_enh/<measure>_spk1``; to several folders where it was trained with several
            seeds.
        data_root: folder of the sets with their ``text`` and, if any, ``breakdown`` tables.
        sets: names of the sets.
        output: the Markdown file; where the numbers go, ``results.numbers_file`` says.
        noisy_scores: folder with the same scores of the unprocessed speech, or with
            ``<set>/<measure>_spk1``.
        breakdown: tables in a set's folder by whose values results are split.
        header: facts to list at the top, such as the training seed.
        seed: of the bootstrap.
        block: table in a set's folder; utterances with the same value are not independent:
            intervals and tests take them as one.
        compare_with: systems to test all others against; None: the first.
        resamples: bootstrap resamples.
        notes: Markdown file to append to the report.
        text_normalizer: of references and hypotheses, see
            :func:`espnet_cbpc.scoring.wer.text_normalizer.normalized`.

    Raises:
        UserError: a file is missing or malformed, utterances differ, systems cannot be compared, or
            ``output`` has no name of a Markdown file.
    """
    numbers = numbers_file(output)
    folders = {
        name: [given] if isinstance(given, (str, Path)) else list(given)
        for name, given in systems.items()
    }
    if notes is not None and not Path(notes).is_file():
        raise UserError(f"{notes}: no such file (--notes names it)")
    ending = "" if notes is None else "\n" + read_text(notes)
    tables = [breakdown] if isinstance(breakdown, str) else list(breakdown)
    noisy = {} if noisy_scores is None else {NOISY: [noisy_scores]}
    pairs = pairs_to_test(folders, compare_with, list(noisy))
    how = Resampling(resamples=resamples, seed=seed)
    report: dict[str, Any] = {
        "header": {**provenance(), **(header or {})},
        "breakdown": tables[0],
        "breakdowns": tables,
        "mean_over": MEAN_OVER,
        "bootstrap": {**how._asdict(), "block": block},
        "sets": list(sets),
        "systems": list(folders),
        "seeds": {name: len(given) for name, given in folders.items()},
        "wer": {name: {} for name in folders},
        "cer": {name: {} for name in folders},
        "quality": {},
        "tests": [],
    }
    if text_normalizer != NONE:
        report["text_normalizer"] = text_normalizer
    for set_name in sets:
        split = read_split(data_root, set_name, tables, block)
        split = split._replace(ref=normalized(split.ref, text_normalizer))
        report["tests"] += _rates(report, folders, split, pairs, how, text_normalizer)
        report["tests"] += _quality(report, {**noisy, **folders}, split, pairs, how)
    if noisy_scores is not None and not any(NOISY in s for s in report["quality"].values()):
        raise UserError(
            f"{noisy_scores}: no scores of any of the sets: score the noisy speech first"
        )
    results = write_results(numbers, report)
    with atomic_write(output) as f:
        f.write(render(results) + ending)
    return results


def _rates(
    report: dict[str, Any],
    folders: Mapping[str, Sequence[PathLike]],
    split: Split,
    pairs: Sequence[Pair],
    how: Resampling,
    text_normalizer: str,
) -> list[Test]:
    """Put the error rates on a set into the report, and return their tests."""
    hyps, tests = {}, []
    for system, given in folders.items():
        try:
            found = read_hypotheses(given, split.name, split.ref)
        except UserError as e:
            raise UserError(f"{system} on {split.name}: {e}") from e
        hyps[system] = [normalized(of_seed, text_normalizer) for of_seed in found]
    for rate, unit in RATES.items():
        read = {system: TextErrors.aligned(split.ref, hyp, unit) for system, hyp in hyps.items()}
        for system, result in rate_results(read, split, how).items():
            report[rate][system][split.name] = result
        scores = {system: found.scores for system, found in read.items()}
        found = compare(split.name, rate.upper(), scores, pairs, split.blocks, how)
        if rate == "wer":
            add_matched_pairs(found, read, split.blocks)
        tests += found
    return tests


def _quality(
    report: dict[str, Any],
    folders: Mapping[str, Sequence[PathLike]],
    split: Split,
    pairs: Sequence[Pair],
    how: Resampling,
) -> list[Test]:
    """Put the speech quality on a set, if any is known, into the report; return its tests."""
    read = {name: read_quality(given, split.name) for name, given in folders.items()}
    for name, given in folders.items():
        if not read[name] and any((Path(g) / split.name / "enhanced").exists() for g in given):
            logging.info("%s on %s: enhanced speech, but no scores", name, split.name)
    read = {name: tables for name, tables in read.items() if tables}
    check_same_quality(split.name, split.ref, read)
    if not read:
        return []
    first = next(iter(read.values()))[0]
    scores = {
        measure: {name: measure_scores(t, measure, list(split.ref)) for name, t in read.items()}
        for measure in first
    }
    known = next(iter(first.values()))
    scored = [i for i, utterance in enumerate(split.ref) if utterance in known]
    report["quality"][split.name] = quality_results(scores, scored, split, how)
    return [
        test
        for measure, rows in scores.items()
        for test in compare(split.name, measure, rows, pairs, split.blocks, how)
    ]
