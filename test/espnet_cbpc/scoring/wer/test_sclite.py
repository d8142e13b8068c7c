# SPDX-License-Identifier: Apache-2.0
"""Error counts against those of NIST's sclite on random texts."""

import re
import subprocess

import pytest
from random_texts import corrupted, random_texts

from espnet_cbpc.scoring.wer.error_counts import ErrorCounts, error_counts
from espnet_cbpc.scoring.wer.sclite import compare_with_sclite, nist_command
from espnet_cbpc.scoring.wer.score_wer import write_trn

SCORES = re.compile(r"^id: \(s-(\S+)\)\nScores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)$", re.M)


@pytest.fixture
def folder(tmp_path):
    if nist_command("sclite") is None:
        pytest.skip("SKIPPED: sclite is not on PATH: apt-get install sctk")
    return tmp_path


def write_pair(folder, ref, hyp, unit):
    speakers = dict.fromkeys(ref, "s")
    write_trn(folder / "ref.trn", ref, speakers, unit)
    write_trn(folder / "hyp.trn", hyp, speakers, unit)


def counts_of_sclite(folder):
    """Return counts by utterance."""
    command = [*nist_command("sclite"), "-s", "-r", "ref.trn", "trn", "-h", "hyp.trn", "trn"]
    done = subprocess.run(
        [*command, "-i", "rm", "-o", "pra", "stdout"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    found = {}
    for key, correct, *errors in SCORES.findall(done.stdout):
        substitutions, deletions, insertions = map(int, errors)
        words = int(correct) + substitutions + deletions
        found[key] = ErrorCounts(words, substitutions, deletions, insertions)
    return found


def least_cost(ref, hyp):
    """Return the least 4 x substitutions + 3 x (deletions + insertions): what sclite looks for."""
    row = [3 * j for j in range(len(hyp) + 1)]
    for i, x in enumerate(ref, 1):
        previous, row = row, [3 * i]
        for j, y in enumerate(hyp, 1):
            row.append(min(previous[j] + 3, row[j - 1] + 3, previous[j - 1] + 4 * (x != y)))
    return row[-1]


def cost(counts):
    return 4 * counts.substitutions + 3 * (counts.deletions + counts.insertions)


@pytest.mark.parametrize("unit, amount", [("word", 0.1), ("word", 0.3), ("char", 0.1)])
def test_rates_are_those_of_sclite(folder, caplog, unit, amount):
    caplog.set_level("INFO")
    ref = random_texts(400)
    hyp = corrupted(ref, amount, 1)
    write_pair(folder, ref, hyp, unit)
    ours = error_counts(ref, hyp, unit)
    theirs = counts_of_sclite(folder)
    assert theirs.keys() == ours.keys()
    for key, count in ours.items():
        assert theirs[key].words == count.words
        if unit == "word":
            assert theirs[key].errors == count.errors
        else:  # of many characters sclite's weights let it find more errors now and then
            assert theirs[key].errors >= count.errors
    total = sum(ours.values(), ErrorCounts())
    found = compare_with_sclite(folder, total)
    assert found == sum(theirs.values(), ErrorCounts())
    assert found.rate == pytest.approx(total.rate, rel=0.002)
    assert "DISAGREES" not in caplog.text
    more = f"sclite counts {found.errors - total.errors} error(s) more"
    assert (more in caplog.text) == (found.errors != total.errors)


def test_fewer_errors_than_ours_are_no_matter_of_weights(folder, caplog):
    ref, hyp = {"a": "one two three"}, {"a": "one two four"}
    write_pair(folder, ref, hyp, "word")
    compare_with_sclite(folder, ErrorCounts(words=3, substitutions=2))
    (told,) = caplog.messages
    assert "sclite DISAGREES: it counts" in told


def test_where_sclite_counts_otherwise_its_weights_are_why(folder):
    """Texts of nothing but errors: counts differ only where another alignment is cheaper to it."""
    ref = random_texts(400)
    hyp = corrupted(ref, 1.0, 1)
    write_pair(folder, ref, hyp, "word")
    ours = error_counts(ref, hyp)
    differing = 0
    for key, theirs in counts_of_sclite(folder).items():
        assert cost(theirs) == least_cost(ref[key].split(), hyp[key].split())
        assert ours[key].errors <= theirs.errors
        if theirs != ours[key]:
            differing += 1
            assert cost(ours[key]) > cost(theirs)
    assert 0 < differing < 120


MARKED = {
    "{ one / two } three": "one three",
    "{one two": "{one x",
    "one @ two": "one two",
    "x { y / @ } z": "x z",
    ";; one": "one",
    "x ;;y z": "x ;;w z",
}


@pytest.mark.parametrize("ref", MARKED)
def test_where_words_are_marks_to_sclite_that_is_the_reason(folder, caplog, ref):
    texts = {"a": ref, "b": "four five"}, {"a": MARKED[ref], "b": "four five"}
    write_pair(folder, *texts, "word")
    compare_with_sclite(folder, sum(error_counts(*texts).values(), ErrorCounts()))
    (told,) = caplog.messages
    assert "sclite counts otherwise" in told or "sclite failed" in told
    assert "line(s) are marks, not words" in told


def test_other_signs_are_words_to_sclite_too(folder, caplog):
    signs = [
        "one/two",
        "(b)",
        "/",
        "}",
        "one;;two",
        "e@mail",
        "@one",
        "%uh",
        "<unk>",
        "two-",
        "don't",
    ]
    ref = {f"u{i}": f"x {sign} y" for i, sign in enumerate(signs)}
    hyp = {key: text.replace("y", "z") for key, text in ref.items()}
    write_pair(folder, ref, hyp, "word")
    ours = sum(error_counts(ref, hyp).values(), ErrorCounts())
    assert compare_with_sclite(folder, ours) == ours and not caplog.messages
