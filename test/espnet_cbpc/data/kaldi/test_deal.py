# SPDX-License-Identifier: Apache-2.0
"""Dealing out the lines of a table: all of them, or those of some categories."""

import pytest

from espnet_cbpc.data.kaldi.deal import deal_table
from espnet_cbpc.data.kaldi.kaldi_dir import read_table, write_table
from espnet_cbpc.utils.cli import UserError

KINDS = {"a": "SIMU", "b": "REAL", "c": "CLEAN", "d": "SIMU"}


@pytest.fixture
def table(tmp_path):
    write_table(tmp_path / "spk1.scp", {key: f"{key}.wav" for key in KINDS})
    write_table(tmp_path / "utt2category", KINDS)
    return tmp_path


def split(table, parts, *category):
    paths = [str(table / str(part)) for part in range(parts)]
    deal_table(table / "spk1.scp", paths, table / "utt2category", category)
    return [read_table(path) for path in paths]


@pytest.mark.parametrize(
    "category, ids",
    [((), "abcd"), (("SIMU",), "ad"), (("SIMU", "CLEAN"), "acd"), (("REAL",), "b")],
)
def test_categories(table, category, ids):
    assert split(table, 1, *category) == [{key: f"{key}.wav" for key in ids}]


def test_parts_are_in_order_and_of_like_size(table):
    assert [list(part) for part in split(table, 2, "SIMU", "CLEAN")] == [["a", "c"], ["d"]]


def test_more_parts_than_utterances(table):
    with pytest.raises(UserError, match="2 utterances of category REAL or CLEAN cannot be split"):
        split(table, 3, "REAL", "CLEAN")


def test_nothing_is_lost(tmp_path):
    table = {f"u{i}": str(i) for i in range(7)}
    write_table(tmp_path / "wav.scp", table)
    parts = [tmp_path / f"part.{i}" for i in range(3)]
    deal_table(tmp_path / "wav.scp", parts)
    dealt = [read_table(part) for part in parts]
    assert [len(part) for part in dealt] == [3, 2, 2]
    assert {k: v for part in dealt for k, v in part.items()} == table
