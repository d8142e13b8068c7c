# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a data directory is told at once, and repaired where that loses nothing."""

import os
import re

import pytest

from espnet_cbpc.bin.validate_data_dir import main
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table
from espnet_cbpc.data.kaldi.repair import repair_data_dir
from espnet_cbpc.utils.cli import UserError

SPOILT = {
    "text": b"simu-u four\r\nclean-u  one \nreal-u\ttwo three\nreal-u two three\n\n",
    "utt2spk": b"\xef\xbb\xbfclean-u ann\nreal-u bob\nsimu-u bob",
    "spk2utt": b"ann clean-u\n",
}


@pytest.fixture
def spoilt(corpus):
    """The corpus with files that have one right answer."""
    for name, content in SPOILT.items():
        (corpus / name).write_bytes(content)
    return corpus


def backup(directory):
    (folder,) = directory.glob("backup.*")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_kind_of_fault_is_told_in_one_run(corpus):
    wav = corpus / "wav.scp"
    wav.write_text(wav.read_text() + "zoe-u nowhere.wav\n")
    (corpus / "text").write_text("clean-u\nreal-u two\nclean-u one\n")
    (corpus / "utt2category").write_text("clean-u CLEAN\nreal-u LIVE\nsimu-u SIMU\nzoe-u SIMU\n")
    (corpus / "spk2utt").unlink()
    with pytest.raises(UserError) as e:
        main([str(corpus), "--audio", "--nj", "1"])
    for message in (
        "text:3: 'clean-u' comes twice",
        "text: 2 utterance(s) of wav.scp missing (simu-u, zoe-u): add them",
        "text: 1 utterance(s) with an empty transcript (clean-u)",
        "utt2spk: 1 utterance(s) of wav.scp missing (zoe-u)",
        "utt2category: 1 utterance(s) of an unknown category (real-u)",
        "spk1.scp: 1 utterance(s) of category SIMU missing (zoe-u)",
        "1 of 4 utterance(s): no such audio file: correct the path (zoe-u: nowhere.wav)",
    ):
        assert message in str(e.value)
    assert len(str(e.value).splitlines()) == 7


def test_lines_of_one_fault_are_counted(tmp_path):
    (tmp_path / "t").write_text("b 1\na 2\nb 1\n\na 1\n" + "a 1\n" * 9)
    with pytest.raises(UserError) as e:
        read_table(tmp_path / "t")
    assert str(e.value).splitlines() == [
        f"{tmp_path}/t:2: 'a' comes after 'b': sort the file with LC_ALL=C sort",
        f"{tmp_path}/t:3: 'b' comes twice (the like in lines 5, 6, 7, 8, 9 and 5 more): "
        "ids must be unique",
        f"{tmp_path}/t:4: empty line: remove it",
    ]


def test_what_has_one_right_answer_is_repaired_and_the_originals_kept(spoilt, capsys):
    with pytest.raises(UserError):
        DataDir.read(spoilt)
    main([str(spoilt), "--fix"])
    assert (spoilt / "text").read_text() == "clean-u one\nreal-u two three\nsimu-u four\n"
    assert (spoilt / "utt2spk").read_bytes() == b"clean-u ann\nreal-u bob\nsimu-u bob\n"
    assert (spoilt / "spk2utt").read_text() == "ann clean-u\nbob real-u simu-u\n"
    assert backup(spoilt) == SPOILT
    said = capsys.readouterr().out
    done = "3 line(s) with stray white space, 1 line(s) empty, 1 line(s) repeated, sorted"
    assert f"/text: {done}\n" in said
    assert "/spk2utt: derived from utt2spk\n" in said
    assert said.endswith("3 utterances (1 SIMU, 1 REAL, 1 CLEAN), 2 speakers\n")


def test_white_space_of_any_kind_becomes_one_blank(corpus):
    (corpus / "text").write_text(
        "clean-u\u3000one\u00a0two\nreal-u a\u2028b \tc\nsimu-u x  y\u0085z\u3000\n",
        encoding="utf-8",
    )
    (corpus / "utt2spk").write_text(
        "\ufeffclean-u ann\n\ufeffreal-u\u00a0bob\nsimu-u bob\r\n", encoding="utf-8"
    )
    with pytest.raises(UserError) as e:
        DataDir.read(corpus)
    for message in (
        "/text:1: U+00A0, U+3000 in the line of 'clean-u' (the like in lines 2, 3): run validate_",
        "/utt2spk:1: a byte order mark in the line of 'clean-u' (the like in lines 2): run",
    ):
        assert message in str(e.value)
    main([str(corpus), "--fix"])
    assert (corpus / "text").read_text() == "clean-u one two\nreal-u a b c\nsimu-u x y z\n"
    assert (corpus / "utt2spk").read_bytes() == b"clean-u ann\nreal-u bob\nsimu-u bob\n"


def test_paths_are_not_tidied(corpus):
    wav = (corpus / "wav.scp").read_text().splitlines()
    lines = [f"{line}\u00a0 \u3000x.wav" for line in wav]
    (corpus / "wav.scp").write_text("\n".join(reversed(lines)), encoding="utf-8")
    list(repair_data_dir(corpus))
    assert (corpus / "wav.scp").read_text(encoding="utf-8").split("\n") == [*lines, ""]


def test_a_second_repair_changes_nothing(spoilt):
    assert list(repair_data_dir(spoilt))
    before = {path: path.stat().st_mtime_ns for path in spoilt.rglob("*")}
    assert not list(repair_data_dir(spoilt))
    assert {path: path.stat().st_mtime_ns for path in spoilt.rglob("*")} == before


def test_a_missing_spk2utt_is_written(corpus):
    (corpus / "spk2utt").unlink()
    main([str(corpus), "--fix"])
    assert read_table(corpus / "spk2utt") == {"ann": "clean-u", "bob": "real-u simu-u"}


def test_what_loses_utterances_needs_another_word(corpus, capsys):
    (corpus / "text").write_text("clean-u one\nreal-u\nsimu-u four\nzoe-u five\n")
    with pytest.raises(UserError, match=r"1 utterance\(s\) not in wav.scp \(zoe-u\)"):
        main([str(corpus), "--fix"])
    assert not list(corpus.glob("backup.*"))
    main([str(corpus), "--fix_drop"])
    assert DataDir.read(corpus).ids == ["clean-u", "simu-u"]
    assert read_table(corpus / "spk2utt") == {"ann": "clean-u", "bob": "simu-u"}
    assert "/text: 2 utterance(s) dropped (real-u, zoe-u)\n" in capsys.readouterr().out
    assert b"real-u" in backup(corpus)["wav.scp"]


def test_a_simulated_utterance_without_reference_is_dropped_on_demand(corpus):
    (corpus / "spk1.scp").unlink()
    main([str(corpus), "--fix_drop"])
    assert DataDir.read(corpus).ids == ["clean-u", "real-u"]


def test_an_id_with_two_values_is_for_the_user_to_settle(corpus):
    (corpus / "text").write_text("simu-u four\nsimu-u for\nclean-u one\nreal-u two\n")
    with pytest.raises(UserError, match="text:4: 'simu-u' comes twice: ids must be unique"):
        main([str(corpus), "--fix_drop"])
    lines = ["clean-u one", "real-u two", "simu-u for", "simu-u four"]
    assert (corpus / "text").read_text().splitlines() == lines


def test_nothing_is_dropped_where_nothing_would_be_left(corpus):
    (corpus / "text").write_text("clean-u\nreal-u\nsimu-u\n")
    before = {path: path.read_bytes() for path in corpus.iterdir()}
    with pytest.raises(UserError, match="not one utterance is complete"):
        main([str(corpus), "--fix_drop"])
    assert {path: path.read_bytes() for path in corpus.iterdir()} == before


def test_text_that_is_not_utf8_stays_a_fault(corpus):
    (corpus / "text").write_bytes(b"clean-u \xe9\nreal-u two\nsimu-u four\n")
    with pytest.raises(UserError, match="text: not UTF-8 text"):
        main([str(corpus), "--fix"])
    assert b"\xe9" in (corpus / "text").read_bytes()


def test_speakers_with_white_space_are_named(corpus):
    (corpus / "utt2spk").write_text("clean-u ann\nreal-u old bob\nsimu-u bob\n")
    message = r"utt2spk: 1 utterance\(s\) whose speaker holds white space \(real-u\): rename them"
    with pytest.raises(UserError, match=message):
        main([str(corpus), "--fix"])


def test_a_repair_cut_off_leaves_every_file_whole(spoilt, monkeypatch):
    replace = os.replace

    def cut_off(source, target):
        if str(target).endswith("utt2spk"):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", cut_off)
    with pytest.raises(KeyboardInterrupt):
        list(repair_data_dir(spoilt))
    assert (spoilt / "utt2spk").read_bytes() == SPOILT["utt2spk"]
    assert (spoilt / "text").read_text().startswith("clean-u one\n")
    assert backup(spoilt)["text"] == SPOILT["text"]
    assert not [path for path in spoilt.iterdir() if path.name.startswith(".")]


def test_no_such_directory(tmp_path):
    message = re.escape(f"{tmp_path}/none: no such data directory")
    with pytest.raises(UserError, match=message):
        list(repair_data_dir(tmp_path / "none"))
