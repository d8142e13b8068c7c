# SPDX-License-Identifier: Apache-2.0
"""Paired tests between the systems of a report."""

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from espnet_cbpc.scoring.statistics.estimates import Blocks, Resampling, difference, interval_kind
from espnet_cbpc.scoring.statistics.significance import matched_pairs
from espnet_cbpc.scoring.statistics.utterance_scores import Scores, TextErrors
from espnet_cbpc.utils.cli import UserError, listed

Test = dict[str, Any]
Pair = tuple[str, str]


def pairs_to_test(
    systems: Mapping[str, Sequence[Any]],
    baselines: Optional[Sequence[str]],
    others: Sequence[str] = (),
) -> list[Pair]:
    """Return which system is compared with which.

    Args:
        systems: name of each system to its folders, one per seed.
        baselines: each is compared with all other systems; None: the first system is it.
        others: names that may be baselines though they are no systems (noisy speech).

    Returns:
        Pairs (system, baseline), none of them twice.

    Raises:
        UserError: no such system, or two that have been trained with different numbers of seeds.
    """
    if baselines is None:
        baselines = list(systems)[:1]
    known = [*systems, *others]
    strangers = [name for name in baselines if name not in known]
    if strangers:
        raise UserError(
            f"--compare_with {listed(strangers)}: there are {listed(known, len(known))}"
        )
    pairs: list[Pair] = []
    for baseline in baselines:
        for name in systems:
            if name != baseline and (baseline, name) not in pairs and (name, baseline) not in pairs:
                _check_seeds(name, systems[name], baseline, systems.get(baseline, [None]))
                pairs.append((name, baseline))
    return pairs


def _check_seeds(a: str, a_folders: Sequence[Any], b: str, b_folders: Sequence[Any]) -> None:
    if len(a_folders) != len(b_folders) and 1 not in (len(a_folders), len(b_folders)):
        raise UserError(
            f"'{a}' has {len(a_folders)} seeds, '{b}' has {len(b_folders)}: to be compared, give "
            "folders of the same seeds in the same order for both, or one folder"
        )


def compare(
    set_name: str,
    measure: str,
    scores: Mapping[str, Scores],
    pairs: Sequence[Pair],
    blocks: Blocks,
    how: Resampling,
) -> list[Test]:
    """Test pairs of systems by one measure; pairs without scores of both are left out.

    Returns:
        ``set``, ``measure``, ``a``, ``b``, ``difference`` (of A less B), ``interval``,
        ``interval_kind``, ``p``, ``p_bootstrap``, ``p_matched_pairs`` (None) and ``seeds`` of each.
    """
    tests = []
    for a, b in pairs:
        if a not in scores or b not in scores:
            continue
        found = difference(scores[a], scores[b], blocks, how)
        if found is None:
            continue
        kind, ps = interval_kind(found.seeds), {"p": found.p, "p_bootstrap": found.p_bootstrap}
        test = {"set": set_name, "measure": measure, "a": a, "b": b, "difference": found.value}
        test.update(interval=found.interval, interval_kind=kind, **ps, p_matched_pairs=None)
        tests.append({**test, "seeds": found.seeds})
    return tests


def add_matched_pairs(
    tests: Sequence[Test], texts: Mapping[str, TextErrors], blocks: Blocks
) -> None:
    """Set ``p_matched_pairs`` of tests of the WER.

    That test knows neither seeds nor blocks, so it is made of systems of one seed, without blocks.
    """
    for test in tests:
        a, b = texts[test["a"]], texts[test["b"]]
        if test["seeds"] == 1 and blocks is None:
            test["p_matched_pairs"] = matched_pairs(a.ref, a.hyp[0], b.hyp[0]).p
