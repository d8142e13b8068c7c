# SPDX-License-Identifier: Apache-2.0
"""The length filter: who stays, in every table."""

import pytest

from espnet_cbpc.data.kaldi.filter_dir import Filtered, filter_data_dir
from espnet_cbpc.data.kaldi.format_dir import format_data_dir
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table
from espnet_cbpc.utils.cli import UserError


@pytest.fixture
def dump(corpus):
    """The corpus formatted: clean-u 0.5 s, real-u 0.6 s, simu-u 0.75 s."""
    format_data_dir(corpus, corpus.parent / "dump", 8000)
    return corpus.parent / "dump"


def test_all_tables_lose_the_same_utterances(dump):
    out = dump.parent / "out"
    assert filter_data_dir(dump, out, 8000, 0.55, 0.7) == Filtered(1, 1, 1)
    data = DataDir.read(out)
    assert data.ids == ["real-u"]
    full = ("wav.scp", "spk1.scp", "text", "utt2spk", "utt2category", "utt2num_samples")
    assert {name: list(table) for name, table in data.tables.items()} == {
        name: ["real-u"] for name in full
    }
    assert read_table(out / "spk2utt") == {"bob": "real-u"}


def test_the_limits_themselves_are_kept(dump):
    assert filter_data_dir(dump, dump.parent / "out", 8000, 0.5, 0.75) == Filtered(3, 0, 0)
    assert DataDir.read(dump.parent / "out").tables == DataDir.read(dump).tables


def test_nothing_left(dump):
    message = r"all 3 utterances are shorter than 1 s \(3\) or longer than 9 s \(0\): widen"
    with pytest.raises(UserError, match=message):
        filter_data_dir(dump, dump.parent / "out", 8000, 1, 9)
    assert not (dump.parent / "out").exists()


def test_an_empty_range(dump):
    with pytest.raises(UserError, match="--min_seconds 2 exceeds --max_seconds 1"):
        filter_data_dir(dump, dump.parent / "out", 8000, 2, 1)


@pytest.mark.parametrize("content", [None, "clean-u 1\nreal-u x\n"])
def test_lengths_must_be_there(dump, content):
    (dump / "utt2num_samples").unlink()
    if content:
        (dump / "utt2num_samples").write_text(content)
    wrong = "2 .*real-u, simu-u" if content else "3 .*clean-u, real-u, simu-u"
    message = rf"utt2num_samples: {wrong}\): format the directory first"
    with pytest.raises(UserError, match=message):
        filter_data_dir(dump, dump.parent / "out", 8000, 0, 9)
