# SPDX-License-Identifier: Apache-2.0
"""Paired tests: by hand, on simulated systems, and against NIST's sc_stats."""

import math
import re
import subprocess

import numpy as np
import pytest
from random_texts import corrupted, random_texts
from scipy import stats

from espnet_cbpc.scoring.statistics.significance import (
    matched_pairs,
    paired_bootstrap,
    segment_errors,
)
from espnet_cbpc.scoring.wer.sclite import nist_command
from espnet_cbpc.scoring.wer.word_alignment import align_texts


def test_paired_bootstrap_of_two_utterances_by_hand():
    """Of four equally likely draws one has the difference 2/3, two 1/4 and one -1."""
    found = paired_bootstrap(
        np.array([2, 0]), np.array([0, 1]), np.array([3, 1]), resamples=4000, level=0.9
    )
    assert found.value == 1 / 4
    assert found.interval == pytest.approx((-1, 2 / 3))
    assert found.p == pytest.approx(2 / 4, abs=8 * math.sqrt(1 / 4 * 3 / 4 / 4000))
    assert (found.p_bootstrap, found.seeds) == (found.p, 1)


def test_paired_bootstrap_is_never_certain():
    same = paired_bootstrap(np.ones(5), np.ones(5), np.ones(5))
    assert same == (0, (0, 0), 1, 1, 1)
    better = paired_bootstrap(np.zeros(5), np.ones(5), np.ones(5), resamples=999)
    assert better == (-1, (-1, -1), 2 / 1000, 2 / 1000, 1)


def test_paired_bootstrap_pairs_utterances():
    """Errors that the systems share do not blur their difference."""
    rng = np.random.default_rng(0)
    words = np.full(200, 10)
    shared = rng.binomial(words, rng.uniform(0, 0.8, size=200))
    extra = rng.random(200) < 0.2
    found = paired_bootstrap(shared + extra, shared, words)
    assert found.value == pytest.approx(extra.mean() / 10)
    half = 1.96 * stats.sem(extra) / 10
    assert found.interval == pytest.approx((found.value - half, found.value + half), abs=0.001)
    assert found.p < 0.01


@pytest.mark.parametrize("blocked", [False, True])
def test_false_positives_of_the_paired_bootstrap(blocked):
    rng = np.random.default_rng(1)
    runs, rejected = 500, 0
    blocks = np.repeat(np.arange(50), 4) if blocked else None
    for run in range(runs):
        words = rng.integers(3, 9, size=200)
        chance = np.full((2, 200), 0.3)
        if blocked:
            chance += np.repeat(rng.uniform(-0.2, 0.2, size=(2, 50)), 4, axis=1)
        a, b = rng.binomial(words, chance)
        rejected += paired_bootstrap(a, b, words, blocks, resamples=400, seed=run).p < 0.05
    assert rejected / runs == pytest.approx(0.05, abs=3.5 * np.sqrt(0.05 * 0.95 / runs))


@pytest.mark.parametrize(
    "ref, a, b, expected",
    [
        ("a b c d", "a b c d", "a b c d", []),
        ("a b c d", "a x c d", "a b c d", [(1, 0)]),
        # one right word between does not part errors, two do
        ("a b c d e", "x b c d e", "a b y d e", [(1, 1)]),
        ("a b c d e f", "x b c d e f", "a b c y e f", [(1, 0), (0, 1)]),
        # an insertion between two right words keeps them from parting
        ("a b c d e f", "x b z c y e f", "a b c d e f", [(3, 0)]),
        # before the first and after the last word
        ("a b c", "z a b c", "a b c z", [(1, 0), (0, 1)]),
        ("a b", "", "a b", [(2, 0)]),
        ("", "z", "z z", [(1, 2)]),
    ],
)
def test_segments_by_hand(ref, a, b, expected):
    assert segment_errors(align_texts(ref, a), align_texts(ref, b)) == expected


def test_matched_pairs_by_hand():
    ref = {"u": "a b c d e f", "v": "a b c", "w": "a b"}
    a = {"u": "x b c d e f", "v": "a b c", "w": "x y"}
    b = {"u": "a b c y e f", "v": "a b c", "w": "a b"}
    found = matched_pairs(ref, a, b)  # differences 1, -1, 2
    assert (found.segments, found.difference) == (3, pytest.approx(2 / 3))
    z = (2 / 3) / math.sqrt(7 / 3 / 3)
    assert found.z == pytest.approx(z)
    assert found.p == pytest.approx(2 * stats.norm.sf(z))
    assert matched_pairs(ref, b, a).z == pytest.approx(-z)


def test_matched_pairs_without_a_difference_or_with_one_segment():
    ref = {"u": "a b c", "v": "d e f"}
    assert matched_pairs(ref, ref, ref).p == 1
    both = {"u": "x b c", "v": "x e f"}
    assert matched_pairs(ref, both, both)[2:] == (0, 1)
    assert matched_pairs(ref, both, ref)[2:] == (math.inf, 0)
    single = matched_pairs(ref, {**ref, "u": "x b c"}, ref)
    assert single.segments == 1 and math.isnan(single.p)


def test_false_positives_of_matched_pairs():
    runs, rejected = 200, 0
    for run in range(runs):
        ref = random_texts(60, seed=run)
        systems = (corrupted(ref, 0.2, seed=runs + 2 * run + i) for i in range(2))
        rejected += matched_pairs(ref, *systems).p < 0.05
    assert rejected / runs == pytest.approx(0.05, abs=3.5 * np.sqrt(0.05 * 0.95 / runs))


NIST_KINDS = {"equal": "C", "substitute": "S", "delete": "D", "insert": "I"}


def nist_alignments(title, ref, hyp):
    """Write our alignments in the format that sc_stats reads."""
    lines = [
        f'<SYSTEM title="{title}" ref_fname="r" hyp_fname="{title}" creation_date="" format="2.4" '
        'frag_corr="FALSE" opt_del="FALSE" weight_ali="FALSE" weight_filename="">',
        '<SPEAKER id="s">',
    ]
    for sequence, (key, text) in enumerate(ref.items()):
        words = []
        for kind, said, heard in align_texts(text, hyp[key]):
            for i in range(max(len(said), len(heard))):
                pair = (f'"{side[i]}"' if side else "" for side in (said, heard))
                words.append(",".join([NIST_KINDS[kind], *pair]))
        lines += [
            f'<PATH id="(s-{key})" word_cnt="{len(words)}" sequence="{sequence}" case_sense="1">',
            ":".join(words),
            "</PATH>",
        ]
    return "\n".join([*lines, "</SPEAKER>", "</SYSTEM>", ""])


def ends_with_insertion(ref, hyp):
    chunks = align_texts(ref, hyp)
    return bool(chunks) and chunks[-1].kind == "insert"


@pytest.mark.parametrize("amount", [0.1, 0.4])
def test_matched_pairs_are_those_of_sc_stats(tmp_path, amount):
    command = nist_command("sc_stats")
    if command is None:
        pytest.skip("SKIPPED: sc_stats is not on PATH: apt-get install sctk")
    ref = random_texts(600)
    a, b = corrupted(ref, amount, 1), corrupted(ref, 1.2 * amount, 2)
    # sc_stats overlooks words that its second system inserts at the end of an utterance.
    ref = {key: text for key, text in ref.items() if not ends_with_insertion(text, b[key])}
    ours = matched_pairs(ref, a, b)
    subprocess.run(
        [*command, "-p", "-t", "mapsswe", "-v", "-n", "out", "-O", str(tmp_path)],
        input=nist_alignments("a", ref, a) + nist_alignments("b", ref, b),
        text=True,
        check=True,
        capture_output=True,
        cwd=tmp_path,
    )
    report = (tmp_path / "out.stats.mapsswe").read_text()
    segments, mean, z, verdict = re.search(
        r"\(# segs: (\d+)\).*\(mean: (\S+)\).*\(Z Stat: (\S+)\) \(Stat Diff: (\w+)\)", report
    ).groups()
    assert ours.segments == int(segments) > 200
    assert ours.difference == pytest.approx(float(mean), abs=6e-4)
    assert ours.z == pytest.approx(float(z), abs=6e-4)
    assert (ours.p < 0.05) == (verdict == "Yes")
