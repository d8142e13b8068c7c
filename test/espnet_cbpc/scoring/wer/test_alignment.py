# SPDX-License-Identifier: Apache-2.0
"""Alignments by hand, and what holds of every one."""

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_cbpc.scoring.wer.word_alignment import SPACE, Chunk, align_texts, tokens

texts = st.lists(st.sampled_from(["one", "two", "three", "A"]), max_size=7).map(" ".join)


@pytest.mark.parametrize(
    "ref, hyp, expected",
    [
        ("", "", []),
        ("one two", "one two", [Chunk("equal", ["one", "two"], ["one", "two"])]),
        ("one two", "", [Chunk("delete", ["one", "two"], [])]),
        ("", "one", [Chunk("insert", [], ["one"])]),
        (
            "one two three four",
            "one too  three oh four",
            [
                Chunk("equal", ["one"], ["one"]),
                Chunk("substitute", ["two"], ["too"]),
                Chunk("equal", ["three"], ["three"]),
                Chunk("insert", [], ["oh"]),
                Chunk("equal", ["four"], ["four"]),
            ],
        ),
    ],
)
def test_known_cases(ref, hyp, expected):
    assert align_texts(ref, hyp) == expected


@given(texts, texts)
def test_of_equals_it_is_the_alignment_of_jiwer(ref, hyp):
    (theirs,) = jiwer.process_words(ref, hyp).alignments
    found = [(c.kind, len(c.ref), len(c.hyp)) for c in align_texts(ref, hyp)]
    assert found == [
        (c.type, c.ref_end_idx - c.ref_start_idx, c.hyp_end_idx - c.hyp_start_idx) for c in theirs
    ]


def test_characters_and_the_blank_between_words():
    assert align_texts("a b", "ab", "char") == [
        Chunk("equal", ["a"], ["a"]),
        Chunk("delete", [SPACE], []),
        Chunk("equal", ["b"], ["b"]),
    ]


@given(texts, texts, st.sampled_from(["word", "char"]))
def test_chunks_hold_both_texts_and_mean_what_they_say(ref, hyp, unit):
    chunks = align_texts(ref, hyp, unit)
    assert [token for chunk in chunks for token in chunk.ref] == tokens(ref, unit)
    assert [token for chunk in chunks for token in chunk.hyp] == tokens(hyp, unit)
    for kind, said, heard in chunks:
        assert (kind == "equal") == (said == heard)
        assert (kind == "insert") == (not said)
        assert (kind == "delete") == (not heard)
        if kind == "substitute":
            assert len(said) == len(heard)
            assert all(a != b for a, b in zip(said, heard))
