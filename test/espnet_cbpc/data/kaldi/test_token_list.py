# SPDX-License-Identifier: Apache-2.0
"""Token lists of each kind, and the dealing out of tables."""

import pytest
import sentencepiece

from espnet_cbpc.data.kaldi.kaldi_dir import write_table
from espnet_cbpc.data.kaldi.token_list import make_token_list
from espnet_cbpc.utils.cli import UserError


@pytest.fixture
def text(tmp_path):
    write_table(tmp_path / "text", {"a": "two one two", "b": "one two six", "c": "two"})
    return str(tmp_path / "text")


def test_words_most_frequent_first(text, tmp_path):
    tokens = make_token_list(text, "word", 0, tmp_path / "w")
    assert tokens == ["<blank>", "<unk>", "two", "one", "six", "<sos/eos>"]
    assert (tmp_path / "w" / "tokens.txt").read_text().split("\n") == [*tokens, ""]


@pytest.mark.parametrize("token_type", ["word", "char", "bpe"])
def test_reserved_tokens_in_the_text_are_not_listed_twice(tmp_path, token_type):
    lines = ["one <unk> two", "<unk> <blank> one", "<sos/eos> <space>", "<s> two </s>"] * 3
    write_table(tmp_path / "text", {f"u{i:02d}": line for i, line in enumerate(lines)})
    tokens = make_token_list(str(tmp_path / "text"), token_type, 22, tmp_path / "t")
    assert len(set(tokens)) == len(tokens)
    assert tokens[:2] == ["<blank>", "<unk>"] and tokens[-1] == "<sos/eos>"
    if token_type == "word":
        assert sorted(tokens[2:-1]) == ["</s>", "<s>", "<space>", "one", "two"]


@pytest.mark.parametrize("token_type", ["word", "char"])
def test_no_token_is_white_space(tmp_path, token_type):
    write_table(tmp_path / "text", {"a": "one\u3000two\u00a0x", "b": "y\u2028z  one\t\u0085 two"})
    tokens = make_token_list(str(tmp_path / "text"), token_type, 0, tmp_path / "t")
    assert tokens == [token.strip() for token in tokens]
    words = ["one", "two", "x", "y", "z"]
    expected = words if token_type == "word" else sorted({*"onetwoxyz", "<space>"})
    assert sorted(tokens[2:-1]) == expected
    lines = (tmp_path / "t" / "tokens.txt").read_text(encoding="utf-8").split("\n")
    assert lines == [*tokens, ""]


def test_characters_with_a_symbol_for_the_blank(text, tmp_path):
    tokens = make_token_list(text, "char", 0, tmp_path / "c")
    assert set(tokens[2:-1]) == set("twonesix") | {"<space>"}
    assert tokens[2] == "o"  # 4 x two and 2 x one


def test_bpe_pieces_are_those_of_the_model(text, tmp_path):
    tokens = make_token_list(text, "bpe", 13, tmp_path / "b")
    model = sentencepiece.SentencePieceProcessor(str(tmp_path / "b" / "bpe.model"))
    assert len(tokens) == 13 - 3 + 3  # <unk>, <s>, </s> give way to <blank>, <unk>, <sos/eos>
    assert set(model.encode("two one", out_type=str)) <= set(tokens)


@pytest.mark.parametrize("bpemode, has_scores", [("unigram", True), ("bpe", False)])
def test_kind_of_the_sentencepiece_model(text, tmp_path, bpemode, has_scores):
    tokens = make_token_list(text, "bpe", 13, tmp_path / "b", bpemode)
    model = sentencepiece.SentencePieceProcessor(str(tmp_path / "b" / "bpe.model"))
    scores = [model.get_score(i) for i in range(3, 13)]
    # a unigram's score is a log probability, that of a merge its place in the list
    assert any(score % 1 for score in scores) == has_scores
    assert len(tokens) == 13


def test_bad_options_are_named(text, tmp_path):
    with pytest.raises(UserError, match="cannot make 5000 bpe units of 3 lines of text; choose"):
        make_token_list(text, "bpe", 5000, tmp_path / "b")
    assert not (tmp_path / "b").exists()
    with pytest.raises(UserError, match="must be char, word or bpe, but is phone"):
        make_token_list(text, "phone", 0, tmp_path / "p")
