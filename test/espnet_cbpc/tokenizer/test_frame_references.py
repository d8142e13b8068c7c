# SPDX-License-Identifier: Apache-2.0
"""Frame references from CTM files and CTC posteriors."""

import numpy as np
import pytest

from espnet_cbpc.tokenizer.frame_references import ctc_tokens, ctm_references
from espnet_cbpc.utils.cli import UserError


@pytest.fixture
def ctm(tmp_path):
    """Function: a CTM file of the given text."""

    def write(text):
        path = tmp_path / "words.ctm"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_frame_has_the_symbol_that_covers_its_middle(ctm):
    path = ctm(";; comment\na 1 0.5 0.3 two 0.98\na 1 0.10 0.2 one\nb A 0 0.25 drei\n")
    references = ctm_references(path, {"a": 10, "b": 2, "c": 3}, {"a": 1.0, "b": 0.5, "c": 1.0})
    # the middles of the frames of a are 0.05, 0.15, ..., those of b 0.125 and 0.375
    assert references["a"].tolist() == [
        *[None, "one", "one", None, None],
        *["two", "two", "two", None, None],
    ]
    assert references["b"].tolist() == ["drei", None]
    assert references.keys() == {"a", "b"}


def test_overlap_within_rounding_gives_way_to_the_later_entry(ctm):
    path = ctm("a 1 0.00 0.51 one\na 1 0.50 0.50 two\n")
    references = ctm_references(path, {"a": 100}, {"a": 1.0})
    assert references["a"].tolist() == ["one"] * 50 + ["two"] * 50


def test_utterances_that_are_not_labelled_are_left_out_and_counted(ctm, caplog):
    path = ctm("a 1 0 1 one\nx 1 0 1 two\nx 1 1 1 two\ny 1 0 1 two\n")
    assert ctm_references(path, {"a": 2}, {"a": 1.0}).keys() == {"a"}
    assert "2 of 3 utterances are not labelled and left out (x, y)" in caplog.text


@pytest.mark.parametrize(
    "text, message",
    [
        ("a 1 0 1 one\na 1 1 2\n", r"words.ctm:2: 4 field\(s\)"),
        ("a 1 0 1 one\n\n", r"words.ctm:2: 0 field\(s\)"),
        ("a 1 zero 1 one\n", "words.ctm:1: start 'zero' must be a number of seconds"),
        ("a 1 -1 1 one\n", "words.ctm:1: start '-1' must be a number of seconds, at least 0"),
        ("a 1 0 nan one\n", "words.ctm:1: duration 'nan' must be a number of seconds"),
        (
            "a 1 0.5 1 two\na 1 0 0.6 one\n",
            r"words.ctm:1: 'two' of 'a' starts at 0.5 s, before the end at 0.6 s .*words.ctm:2",
        ),
        ("a 1 0 1 one\na 1 3 1 two\n", "words.ctm:2: starts at 3 s, but 'a' is 2 s long"),
        ("x 1 0 1 one\n", r"none of its 1 utterance\(s\) \(x\) is among the 1 labelled"),
    ],
)
def test_faulty_files_are_refused_by_line(ctm, text, message):
    with pytest.raises(UserError, match=message):
        ctm_references(ctm(text), {"a": 10}, {"a": 2.0})


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(UserError, match="none.ctm: cannot be read"):
        ctm_references(tmp_path / "none.ctm", {"a": 1}, {"a": 1.0})
    (tmp_path / "latin.ctm").write_bytes("a 1 0 1 fünf\n".encode("latin-1"))
    with pytest.raises(UserError, match="latin.ctm: not UTF-8 text"):
        ctm_references(tmp_path / "latin.ctm", {"a": 1}, {"a": 1.0})


def test_ctc_gives_the_most_probable_token_and_none_on_blank():
    log_probs = np.log([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.4, 0.5], [0.6, 0.2, 0.2]])
    assert ctc_tokens(log_probs, ["<blank>", "a", "b"]) == [None, "a", "b", None]
    assert ctc_tokens(log_probs, ["a", "b", "<blank>"], blank=2) == ["a", "b", None, "a"]


def test_a_posterior_of_another_token_list_is_refused():
    with pytest.raises(UserError, match=r"\(5, 3\), but the token list has 2 tokens"):
        ctc_tokens(np.zeros((5, 3)), ["<blank>", "a"])
