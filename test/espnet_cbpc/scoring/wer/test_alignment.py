"""Alignments by hand, and what holds of every one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_cbpc.scoring.wer.word_alignment import SPACE, Chunk, align, tokens

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
    assert align(ref, hyp) == expected


def test_characters_and_the_blank_between_words():
    assert align("a b", "ab", "char") == [
        Chunk("equal", ["a"], ["a"]),
        Chunk("delete", [SPACE], []),
        Chunk("equal", ["b"], ["b"]),
    ]


@given(texts, texts, st.sampled_from(["word", "char"]))
def test_chunks_hold_both_texts_and_mean_what_they_say(ref, hyp, unit):
    chunks = align(ref, hyp, unit)
    assert [token for chunk in chunks for token in chunk.ref] == tokens(ref, unit)
    assert [token for chunk in chunks for token in chunk.hyp] == tokens(hyp, unit)
    for kind, said, heard in chunks:
        assert (kind == "equal") == (said == heard)
        assert (kind == "insert") == (not said)
        assert (kind == "delete") == (not heard)
        if kind == "substitute":
            assert len(said) == len(heard)
            assert all(a != b for a, b in zip(said, heard))
