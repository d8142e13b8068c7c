"""Results of several systems on several sets, gathered from the files they are in."""

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Union

from espnet_cbpc.data.kaldi_dir import read_table
from espnet_cbpc.scoring.bootstrap import bootstrap_interval
from espnet_cbpc.scoring.error_counts import ErrorCounts, error_counts
from espnet_cbpc.scoring.groups import group, number
from espnet_cbpc.scoring.markdown import render
from espnet_cbpc.scoring.provenance import provenance
from espnet_cbpc.scoring.speech_quality import METRICS, mean_of_defined, score_file
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import atomic_write

PathLike = Union[str, Path]
MEAN_OVER = (0.0, 5.0, 10.0)  # dB
NOISY = "noisy speech"
MOST_GROUPS = 12  # more values than this (SNRs drawn from a range) make no table


def write_report(
    systems: Mapping[str, PathLike],
    data_root: PathLike,
    sets: Sequence[str],
    output: PathLike,
    noisy_scores: Optional[PathLike] = None,
    breakdown: str = "utt2snr",
    header: Optional[Mapping[str, str]] = None,
    seed: int = 0,
) -> Dict[str, Any]:
    """Write a Markdown report, and the numbers that it is made from as ``results.json`` beside it.

    Args:
        systems: name of each system to its folder with ``<set>/text`` and, where it enhances,
            ``<set>/score_enh/<measure>_spk1``.
        data_root: folder of the sets with their ``text`` and, if any, ``breakdown``.
        sets: names of the sets.
        output: the Markdown file.
        noisy_scores: folder with the same scores of the unprocessed speech, or with
            ``<set>/<measure>_spk1``.
        breakdown: table in a set's folder by whose values results are split.
        header: facts to put on top, as the training seed.
        seed: of the bootstrap.

    Returns:
        What is in ``results.json``.

    Raises:
        UserError: a file is missing or malformed, or utterances differ.
    """
    sources = _Sources(systems, Path(data_root), noisy_scores and Path(noisy_scores), breakdown)
    quality = {set_name: sources.quality(set_name) for set_name in sets}
    if noisy_scores is not None and not any(NOISY in scores for scores in quality.values()):
        raise UserError(
            f"{noisy_scores}: no scores of any of the sets: score the noisy speech first"
        )
    report = {
        "header": {**provenance(), **(header or {})},
        "breakdown": breakdown,
        "mean_over": MEAN_OVER,
        "bootstrap": {"level": 0.95, "resamples": 1000, "seed": seed},
        "sets": list(sets),
        "systems": list(systems),
        "wer": {name: {s: sources.errors(name, s, "word", seed) for s in sets} for name in systems},
        "cer": {name: {s: sources.errors(name, s, "char", seed) for s in sets} for name in systems},
        "quality": {set_name: scores for set_name, scores in quality.items() if scores},
    }
    report = json.loads(json.dumps(report), parse_constant=lambda _: None)  # no nan in JSON
    with atomic_write(Path(output).with_name("results.json")) as f:
        json.dump(report, f, indent=1, ensure_ascii=False, allow_nan=False)
        f.write("\n")
    with atomic_write(output) as f:
        f.write(render(report))
    return report


class _Sources:
    """The files that a report is made from."""

    def __init__(
        self,
        systems: Mapping[str, PathLike],
        data_root: Path,
        noisy_scores: Optional[Path],
        breakdown: str,
    ):
        self.systems = {name: Path(folder) for name, folder in systems.items()}
        self.data_root, self.noisy_scores, self.breakdown = data_root, noisy_scores, breakdown

    def groups(self, set_name: str, utterances: Iterable[str]) -> Dict[str, List[str]]:
        path = self.data_root / set_name / self.breakdown
        groups = group(utterances, read_table(path)) if path.exists() else {}
        return groups if len(groups) <= MOST_GROUPS else {}

    def errors(self, system: str, set_name: str, unit: str, seed: int) -> Dict[str, Any]:
        ref = read_table(self.data_root / set_name / "text")
        hyp_path = self.systems[system] / set_name / "text"
        try:
            counts = error_counts(ref, read_table(hyp_path, allow_empty=True), unit)
        except UserError as e:
            raise UserError(f"{system} on {set_name} ({hyp_path}): {e}") from e
        groups = {
            value: _errors([counts[utterance] for utterance in utterances], seed)
            for value, utterances in self.groups(set_name, ref).items()
        }
        return {
            "total": _errors(list(counts.values()), seed),
            "groups": groups,
            "mean": _mean_rate(groups),
        }

    def quality(self, set_name: str) -> Dict[str, Any]:
        folders = {} if self.noisy_scores is None else {NOISY: self.noisy_scores / set_name}
        folders.update({name: folder / set_name for name, folder in self.systems.items()})
        scores = {name: _read_scores(folder) for name, folder in folders.items()}
        for name, folder in folders.items():
            if (folder / "enhanced").exists() and not scores[name]:
                logging.info("%s: enhanced speech, but no scores", folder)
        scores = {name: table for name, table in scores.items() if table}
        self._check_same(set_name, scores)
        return {name: self._means(set_name, table) for name, table in scores.items()}

    def _means(self, set_name: str, table: Dict[str, Dict[str, float]]) -> Dict[str, Any]:
        utterances = next(iter(table.values()))
        groups = self.groups(set_name, utterances)
        return {
            "total": _means(table, utterances),
            "groups": {value: _means(table, members) for value, members in groups.items()},
        }

    def _check_same(self, set_name: str, scores: Dict[str, Dict[str, Dict[str, float]]]) -> None:
        known = read_table(self.data_root / set_name / "text").keys()
        first, metrics = None, next(iter(scores.values()), {}).keys()
        for name, table in scores.items():
            if table.keys() != metrics:
                raise UserError(
                    f"{set_name}: {name} is scored by {', '.join(table)}, others by "
                    f"{', '.join(metrics)}: score all anew, at one sampling rate"
                )
            for metric, values in table.items():
                first = first if first is not None else values.keys()
                odd = sorted(first ^ values.keys()) or sorted(values.keys() - known)
                if odd:
                    raise UserError(
                        f"{set_name}: {metric} of {name} is of other utterances than the rest "
                        f"({len(odd)}: {listed(odd)}): score the same set for all systems"
                    )


def _errors(counts: List[ErrorCounts], seed: int) -> Dict[str, Any]:
    total = sum(counts, ErrorCounts())
    return {
        **asdict(total),
        "correct": total.correct,
        "errors": total.errors,
        "rate": total.rate,
        "interval": bootstrap_interval(counts, seed=seed),
        "sentences": len(counts),
        "wrong_sentences": sum(count.errors > 0 for count in counts),
    }


def _mean_rate(groups: Dict[str, Dict[str, Any]]) -> Optional[float]:
    rates = {number(value): errors["rate"] for value, errors in groups.items()}
    if any(snr not in rates for snr in MEAN_OVER):
        return None
    return sum(rates[snr] for snr in MEAN_OVER) / len(MEAN_OVER)


def _read_scores(folder: Path) -> Dict[str, Dict[str, float]]:
    if (folder / "score_enh").exists():
        folder = folder / "score_enh"
    tables = {}
    for metric in METRICS:
        path = score_file(folder, metric)
        if path.exists():
            values = {key: number(value) for key, value in read_table(path).items()}
            wrong = [key for key, value in values.items() if value is None]
            if wrong:
                raise UserError(f"{path}: no number for {listed(wrong)}: score the speech again")
            tables[metric] = values
    return tables


def _means(table: Dict[str, Dict[str, float]], utterances: Iterable[str]) -> Dict[str, Any]:
    utterances = list(utterances)
    means = {}
    for metric, values in table.items():
        mean, scored, undefined = mean_of_defined(values[utterance] for utterance in utterances)
        means[metric] = {"mean": mean, "scored": scored, "undefined": undefined}
    return means
