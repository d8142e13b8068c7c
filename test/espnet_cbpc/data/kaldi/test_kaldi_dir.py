# SPDX-License-Identifier: Apache-2.0
"""Data directories: round trips, and one clear message for each thing that may be wrong."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_cbpc.bin.validate_data_dir import main
from espnet_cbpc.data.kaldi import kaldi_dir
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table, write_data_dir, write_table
from espnet_cbpc.utils.cli import UserError

letters = st.characters(blacklist_categories=("Cs", "Cc", "Z"))
ids = st.text(letters, min_size=1).filter(lambda key: "\ufeff" not in key)  # a byte order mark
values = st.lists(st.text(letters, min_size=1), min_size=1).map(" ".join)


@given(st.dictionaries(ids, values))
def test_a_table_survives_writing_and_reading_in_c_order(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("table") / "text"
    write_table(path, table)
    assert read_table(path) == table
    keys = [line.split(b" ")[0] for line in path.read_bytes().splitlines()]
    assert keys == sorted(keys)


def test_values_keep_their_inner_blanks_and_take_tabs_or_dos_ends(tmp_path):
    (tmp_path / "t").write_bytes(b"a\tx  y\tz \r\nb   w\n")
    assert read_table(tmp_path / "t") == {"a": "x  y\tz", "b": "w"}


@pytest.mark.parametrize(
    "content, message",
    [
        (b"a 1\na 2\n", "t:2: 'a' comes twice"),
        (b"b 1\na 2\n", "t:2: 'a' comes after 'b': sort the file with LC_ALL=C sort"),
        (b"a 1\nb\n", "t:2: 'b' has no value"),
        (b"a 1\n\nb 1\n", "t:2: empty line"),
        (b"a \xff\n", "t: not UTF-8 text"),
    ],
)
def test_malformed_tables(tmp_path, content, message):
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(UserError, match=re.escape(message)):
        read_table(tmp_path / "t")


@pytest.mark.parametrize(
    "content, message",
    [
        (
            "\ufeffa 1\nb 2\n",
            "t:1: a byte order mark in the line of 'a': run validate_data_dir --fix",
        ),
        ("a 1\n\ufeffb 2\n", "t:2: a byte order mark in the line of 'b'"),
        ("a\u3000one\n", "t:1: U+3000 in the line of 'a'"),
        ("a 1\n\u00a0b 2\n", "t:2: U+00A0 in the line of 'b'"),
    ],
)
def test_what_other_programs_would_take_for_a_part_of_an_id(tmp_path, content, message):
    (tmp_path / "t").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=re.escape(message)):
        read_table(tmp_path / "t")
    keys = list(read_table(tmp_path / "t", strict=False))
    assert keys in (["a"], ["a", "b"])


def test_paths_may_hold_any_white_space(tmp_path):
    table = {"a": "my\u00a0music/\u3000 1.wav", "b": "x\u2028y\u0085z.wav"}
    write_table(tmp_path / "t", table)
    assert read_table(tmp_path / "t") == table


def test_empty_values_where_allowed(tmp_path):
    (tmp_path / "t").write_text("a\nb x\n")
    assert read_table(tmp_path / "t", allow_empty=True) == {"a": "", "b": "x"}


def test_missing_table(tmp_path):
    with pytest.raises(UserError, match=r"t: cannot be read \(No such file or directory\)"):
        read_table(tmp_path / "t")


@pytest.mark.parametrize(
    "table",
    [
        {"a b": "x"},
        {"a\u3000": "x"},
        {"\ufeffa": "x"},
        {"": "x"},
        {"a": "x\ny"},
        {"a": "\udce9.wav"},
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_is_left(tmp_path, table):
    with pytest.raises(UserError, match="white space|line break|not UTF-8"):
        write_table(tmp_path / "t", table)
    assert not list(tmp_path.iterdir())


def test_directory_round_trip_and_derived_speakers(corpus):
    data = DataDir.read(corpus)
    assert data.ids == ["clean-u", "real-u", "simu-u"]
    assert data.tables["utt2snr"] == {"simu-u": "5"}
    assert data.categories == {"clean-u": "CLEAN", "real-u": "REAL", "simu-u": "SIMU"}
    assert read_table(corpus / "spk2utt") == {"ann": "clean-u", "bob": "real-u simu-u"}


def test_categories_follow_the_references_where_the_file_is_absent(corpus):
    (corpus / "utt2category").unlink()
    categories = DataDir.read(corpus).categories
    assert categories == {"clean-u": "REAL", "real-u": "REAL", "simu-u": "SIMU"}


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("text", "clean-u one\nreal-u\nsimu-u\n",
         "/text: 2 utterance(s) with an empty transcript (real-u, simu-u): add the words"),
        ("text", "clean-u one\nsimu-u two\n",
         "/text: 1 utterance(s) of wav.scp missing (real-u): add them"),
        ("utt2spk", "clean-u a\nreal-u b\nsimu-u c\nzoe-u d\n",
         "/utt2spk: 1 utterance(s) not in wav.scp (zoe-u): remove or add them"),
        ("utt2snr", "nobody 5\n", "/utt2snr: 1 utterance(s) not in wav.scp (nobody)"),
        ("utt2category", "clean-u CLEAN\nreal-u real\nsimu-u SIMU\n",
         "/utt2category: 1 utterance(s) of an unknown category (real-u): use SIMU, REAL, CLEAN"),
        ("utt2category", "clean-u SIMU\nreal-u SIMU\nsimu-u SIMU\n",
         "/spk1.scp: 2 utterance(s) of category SIMU missing (clean-u, real-u): add their clean"),
        ("spk2utt", "ann clean-u\nbob real-u\nzoe simu-u\n",
         "/spk2utt: disagrees with utt2spk on 2 speaker(s) (bob, zoe): remove spk2utt"),
        ("noise1.scp", "simu-u sox a.wav -t wav - |\n",
         "/noise1.scp: 1 utterance(s) given as a shell pipe (simu-u): write audio files"),
        ("text", "clean-u one\u00a0two\nreal-u x\u3000\nsimu-u \u3000\n",
         "/text:1: U+00A0 in the line of 'clean-u' (the like in lines 2, 3): run validate_data_"),
        ("text", "clean-u one\nreal-u two\u2028three\nsimu-u a\u0085b\n",
         "/text:2: U+2028 in the line of 'real-u' (the like in lines 3): run validate_data_dir"),
        ("text", "clean-u one\nreal-u two\tthree\nsimu-u four\n",
         "/text:2: a tab in the line of 'real-u'"),
        ("text", "clean-u one\nreal-u \u3000\nsimu-u four\n",
         "/text: 1 utterance(s) with an empty transcript (real-u): add the words"),
        ("segments", "", "segments is not supported: cut the recordings"),
        ("wav.scp", "", "/wav.scp: no utterances"),
    ],
)  # fmt: skip
def test_directories_that_disagree(corpus, name, content, message):
    (corpus / name).write_text(content)
    with pytest.raises(UserError, match=re.escape(message)):
        DataDir.read(corpus)


@pytest.mark.parametrize("key", ["../x", ".x", "x" * 243])
def test_ids_that_cannot_name_a_file(tmp_path, key):
    tables = {"wav.scp": {key: "a.wav", "b": "b.wav"}, "utt2spk": {key: "s", "b": "s"}}
    write_data_dir(tmp_path / "d", tables)
    message = rf"wav.scp: 1 utterance\(s\) whose id cannot name a file \({key}\): rename them"
    with pytest.raises(UserError, match=message):
        DataDir.read(tmp_path / "d", require_text=False)


def test_copies_beside_the_tables_are_left_alone(corpus):
    before = DataDir.read(corpus)
    copies = ("utt2spk~", "utt2spk.bak", "text.orig", "utt2spk (1)", "#utt2spk#", "wav.scp.swp")
    for name in copies:
        (corpus / name).write_bytes(b"\xff no table\n")
    assert DataDir.read(corpus) == before
    main([str(corpus), "--fix_drop"])
    assert all((corpus / name).read_bytes() == b"\xff no table\n" for name in copies)


def test_text_is_required_unless_told(corpus):
    (corpus / "text").unlink()
    with pytest.raises(UserError, match=r"in/text: cannot be read"):
        DataDir.read(corpus)
    assert "text" not in DataDir.read(corpus, require_text=False).tables


def test_no_such_directory(tmp_path):
    with pytest.raises(UserError, match="none: no such data directory"):
        DataDir.read(tmp_path / "none")


def contents(directory):
    return {p.name: p.read_text() for p in directory.iterdir() if p.is_file()}


def test_an_interrupted_write_leaves_the_old_directory_whole(corpus, monkeypatch):
    before = contents(corpus)
    written = []

    def interrupted(path, table):
        if written:
            raise KeyboardInterrupt
        written.append(path)
        write_table(path, table)

    monkeypatch.setattr(kaldi_dir, "write_table", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_data_dir(corpus, {"wav.scp": {"a": "a.wav"}, "utt2spk": {"a": "s"}})
    assert written and contents(corpus) == before
    assert sorted(p.name for p in corpus.parent.iterdir()) == ["audio", "in"]


def test_a_write_interrupted_at_the_last_moment_brings_the_old_directory_back(corpus, monkeypatch):
    before = contents(corpus)
    rename = Path.rename

    def interrupted(path, target):
        if path.name == ".in.new":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_data_dir(corpus, {"wav.scp": {"a": "a.wav"}, "utt2spk": {"a": "s"}})
    assert contents(corpus) == before
    assert sorted(p.name for p in corpus.parent.iterdir()) == ["audio", "in"]


def test_what_a_killed_write_left_is_cleared(corpus):
    (corpus.parent / ".in.new").mkdir()
    (corpus.parent / ".in.new" / "text").write_text("half")
    write_data_dir(corpus, {"wav.scp": {"a": "a.wav"}, "utt2spk": {"a": "s"}})
    assert contents(corpus) == {"wav.scp": "a a.wav\n", "utt2spk": "a s\n", "spk2utt": "s a\n"}
    assert sorted(p.name for p in corpus.parent.iterdir()) == ["audio", "in"]


def test_a_path_that_tables_cannot_hold_is_refused_at_once(tmp_path):
    with pytest.raises(
        UserError, match=r"caf\\udce9: the path is not UTF-8: choose another folder"
    ):
        write_data_dir(tmp_path / "caf\udce9", {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_to_another_disk_stays_however_often_it_is_written_to(tmp_path, exists):
    disk, link = tmp_path / "disk" / "d", tmp_path / "d"
    disk.parent.mkdir()
    link.symlink_to(disk)
    if exists:
        disk.mkdir()
    for number in range(3):
        write_data_dir(link, {"wav.scp": {"a": f"{number}.wav"}, "utt2spk": {"a": "s"}})
        assert link.is_symlink() and read_table(disk / "wav.scp") == {"a": f"{number}.wav"}
    assert [path.name for path in disk.parent.iterdir()] == ["d"]


def test_a_folder_of_something_else_is_never_replaced(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match="home exists and is not a data directory"):
        write_data_dir(tmp_path / "home", {"utt2spk": {"a": "s"}})
    assert (tmp_path / "home" / "thesis.tex").read_text() == "x"


def test_command_summarises(corpus, capsys):
    main([str(corpus), "--audio", "--nj", "1"])
    expected = f"{corpus}: 3 utterances (1 SIMU, 1 REAL, 1 CLEAN), 2 speakers, 0.00 hours\n"
    assert capsys.readouterr().out == expected
    (corpus / "text").unlink()
    main([str(corpus), "--require_text", "false"])
    assert capsys.readouterr().out.endswith("2 speakers\n")
