# SPDX-License-Identifier: Apache-2.0
"""What a report opens with."""

import copy

import pytest

from espnet_cbpc.scoring.report.finding import opening
from espnet_cbpc.scoring.report.results import read_results


@pytest.fixture(scope="module")
def results(repository):
    return read_results(
        repository / "egs2" / "fsdd_array" / "enh_asr_cbpc1" / "6ch" / "results.json"
    )


def wer(results, system, set_name):
    return f"{100 * results['wer'][system][set_name]['total']['rate']:.1f} ["


def test_the_lowest_wer_of_each_set_is_named(results):
    lowest, _ = opening(results)
    for set_name in results["sets"]:
        best = min(results["systems"], key=lambda s: results["wer"][s][set_name]["total"]["rate"])
        assert wer(results, best, set_name) in lowest
        assert best.partition(" (")[0] in lowest


def test_the_best_of_the_others_is_compared(results):
    _, sentence = opening(results)
    joint = "Conventional joint training"
    assert sentence.startswith(f"{joint}, compared with Joint, CBPC and infoNCE: WER ")
    wanted = (f"{joint} (joint)", "test_unseen", "WER")
    (test,) = [t for t in results["tests"] if (t["a"], t["set"], t["measure"]) == wanted]
    assert f"{100 * test['difference']:.1f} points higher in unseen noise" in sentence
    assert f"p = {test['p']:.3f}" in sentence


def test_another_order_of_the_errors_is_another_finding(results):
    changed = copy.deepcopy(results)
    system = "delay_and_sum, then clean ASR"
    changed["wer"][system]["test_unseen"]["total"]["rate"] = 0.01
    lowest, sentence = opening(changed)
    assert f"in unseen noise {wer(changed, system, 'test_unseen')}" in lowest
    assert sentence.startswith(f"{system}, compared with Joint")


def test_without_tests_or_rates_there_is_less_to_say(results):
    alone = copy.deepcopy(results)
    alone["tests"] = []
    assert len(opening(alone)) == 1
    for of_sets in alone["wer"].values():
        for errors in of_sets.values():
            errors["total"]["rate"] = None
    assert opening(alone) == []
