# SPDX-License-Identifier: Apache-2.0
"""Folders of speech in the layouts that corpora come in, and what is said of faulty ones."""

import errno
import os
import re
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_cbpc.data.audio.audio_folder import find_files
from espnet_cbpc.data.noisy_sets.speech_folder import check_speech, read_speech_folder
from espnet_cbpc.utils.cli import UserError


@pytest.fixture
def tree(tmp_path):
    """Function: write short audio files of the given names, and the given text files."""

    def make(*files, **texts):
        for file in files:
            path = tmp_path / "corpus" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.full(80, 0.1), 8000, format=path.suffix[1:].upper())
        return write(texts)

    def write(texts):
        for file, content in texts.items():
            (tmp_path / "corpus" / file).write_text(content, encoding="utf-8")
        return tmp_path / "corpus"

    make.write = write
    return make


def rows(folder, **options):
    return [astuple(recording) for recording in read_speech_folder(folder, **options)]


def test_a_table_of_transcripts_in_any_order_and_a_folder_for_each_speaker(tree):
    folder = tree("ann/b.wav", "ann/sub dir/a one.FLAC", "bob/c.ogg", text="c three\nb two\n")
    tree.write({"text": "c three\nb two\nann/sub_dir/x y\n", "ann/notes.doc": ""})
    (folder / "ann" / "sub dir" / "a one.FLAC").rename(folder / "ann" / "a.FLAC")
    tree.write({"text": "c three\nb two\na one\n"})
    assert rows(folder) == [
        ("ann-a", "ann/a.FLAC", "ann", "one"),
        ("ann-b", "ann/b.wav", "ann", "two"),
        ("bob-c", "bob/c.ogg", "bob", "three"),
    ]


def test_names_that_repeat_go_by_their_path(tree):
    folder = tree("ann/1.wav", "bob/1.wav", "bob/2.wav", text="ann/1 one\nbob-1 uno\n2 two\n")
    assert rows(folder) == [
        ("ann-1", "ann/1.wav", "ann", "one"),
        ("bob-1", "bob/1.wav", "bob", "uno"),
        ("bob-2", "bob/2.wav", "bob", "two"),
    ]


def test_a_text_file_beside_each_recording(tree):
    folder = tree("s1/s1_001.wav", "s10/s10_001.wav", "s1/s10.wav")
    tree.write({"s1/s1_001.txt": "\ufeffhello\n  you\n", "s10/s10_001.txt": "yes"})
    tree.write({"s1/s10.txt": "ten"})
    assert rows(folder) == [
        ("s1-s10", "s1/s10.wav", "s1", "ten"),  # the speaker s1, not s10
        ("s10_001", "s10/s10_001.wav", "s10", "yes"),
        ("s1_001", "s1/s1_001.wav", "s1", "hello you"),
    ]


def test_librispeech_layout_speakers_are_above_the_chapters(tree):
    folder = tree("train/19/198/19-198-0000.flac", "train/19/227/19-227-0000.flac")
    tree.write({"train/19/198/19-198.trans.txt": "19-198-0000 NORTHANGER ABBEY\n"})
    tree.write({"train/19/227/19-227.trans.txt": "19-227-0000 THE MORE\n"})
    assert rows(folder) == [
        ("19-198-0000", "train/19/198/19-198-0000.flac", "19", "NORTHANGER ABBEY"),
        ("19-227-0000", "train/19/227/19-227-0000.flac", "19", "THE MORE"),
    ]
    assert {row[2] for row in rows(folder / "train" / "19")} == {"19"}


def test_tables_that_are_given_win(tree, tmp_path):
    folder = tree("x/a.wav", "x/b.wav", text="a wrong\nb wrong\n", utt2spk="a x\nb x\n")
    (tmp_path / "t").write_text("b two\na one\n")
    (tmp_path / "s").write_text("a ann lee\nb bob\n")
    assert rows(folder, text=tmp_path / "t", utt2spk=tmp_path / "s") == [
        ("ann_lee-a", "x/a.wav", "ann_lee", "one"),
        ("bob-b", "x/b.wav", "bob", "two"),
    ]


def test_no_transcripts_at_all_is_no_error_but_said(tree, caplog):
    assert [row[3] for row in rows(tree("x/a.wav", "y/b.wav"))] == ["", ""]
    assert "no transcripts" in caplog.text


@pytest.mark.parametrize(
    "files, texts, message",
    [
        (["x/a.wav", "x/b.wav"], {"text": "a one\n"},
         "corpus/text: no transcript for 1 of 2 audio files (x/b.wav): add them, or"),
        (["x/a.wav", "x/b.wav"], {"x/a.txt": "one"},
         "(.txt beside the audio): no transcript for 1 of 2 audio files (x/b.wav)"),
        (["x/a.wav"], {"utt2spk": "b bob\n"}, "utt2spk: no speaker for 1 of 1 audio files"),
        (["x/a.wav", "x/a.flac"], {}, "1 utterance id(s) are shared by several files (x/a.flac = x/a"),
        (["x/a b.wav", "x/a_b.wav"], {}, "are shared by several files (x/a b.wav = x/a_b.wav)"),
        (["x/a.wav"], {"text": "a one\na two\n"}, "text:2: 'a' comes twice"),
    ],
)  # fmt: skip
def test_faulty_folders(tree, files, texts, message):
    folder = tree(*files)
    tree.write(texts)
    with pytest.raises(UserError, match=re.escape(message)):
        read_speech_folder(folder)


def test_no_folder_no_audio(tmp_path):
    with pytest.raises(UserError, match="no folder given for clean speech"):
        read_speech_folder("")
    with pytest.raises(UserError, match=r"none: no such folder \(clean speech\)"):
        read_speech_folder(tmp_path / "none")
    (tmp_path / ".trash").mkdir()
    (tmp_path / ".trash" / "a.wav").touch()
    (tmp_path / "._b.wav").touch()
    with pytest.raises(UserError, match=r"no audio files \(clean speech\)"):
        read_speech_folder(tmp_path)


def test_a_folder_is_entered_once_whatever_leads_to_it(tree, tmp_path):
    folder = tree("bob/b.wav", "bob/deep/c.wav", "zoe/z.wav")
    (folder / "again").symlink_to(folder)
    (folder / "bob" / "up").symlink_to(folder.parent)
    (folder / "bob" / "deep" / "loop").symlink_to(folder / "bob")
    (folder / "a_zoe").symlink_to(folder / "zoe")
    (folder / "self").symlink_to("self")
    expected = ["bob/b.wav", "bob/deep/c.wav", "zoe/z.wav"]
    assert find_files(folder, (".wav",)) == expected
    (tmp_path / "link").symlink_to(folder)
    assert find_files(tmp_path / "link", (".wav",)) == expected
    assert [row[2] for row in rows(folder)] == ["bob", "deep", "zoe"]


def test_a_folder_that_must_not_be_entered_is_left_out_and_said(tree, caplog, monkeypatch):
    folder = tree("ann/a.wav", "lost+found/b.wav")

    def names(path, listdir=os.listdir):
        if Path(path).name == "lost+found":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", names)
    assert find_files(folder, (".wav",)) == ["ann/a.wav"]
    assert "lost+found: not searched (Permission denied)" in caplog.text


@pytest.mark.parametrize("name", [b"x/caf\xe9.wav", b"caf\xe9/a.wav", b"x/caf\xe9.trans.txt"])
def test_names_that_are_not_utf8_are_shown(tree, name):
    folder = tree("x/a.wav")
    path = Path(os.fsdecode(os.path.join(os.fsencode(folder), name)))
    path.parent.mkdir(exist_ok=True)
    (folder / "x" / "a.wav").rename(path)
    (folder / "x" / "b.wav").touch()
    with pytest.raises(
        UserError, match=r"1 file name\(s\) are not UTF-8 \(.*caf\\udce9.*\): rename"
    ):
        read_speech_folder(folder)


def test_tables_may_begin_with_a_byte_order_mark_and_hold_any_white_space(tree):
    folder = tree("x/a.wav", "x/b.wav")
    tree.write({"text": "\ufeffa one\u00a0two\nb\u3000three\u2028four\u0085\n"})
    tree.write({"utt2spk": "\ufeffa ann\r\nb bob\r\n"})
    assert rows(folder) == [
        ("ann-a", "x/a.wav", "ann", "one two"),
        ("bob-b", "x/b.wav", "bob", "three four"),
    ]


def test_transcripts_in_other_encodings_are_told_all_at_once(tree):
    folder = tree("x/a.wav", "x/b.wav", "x/c.wav")
    for name, content in (("a", b"caf\xe9"), ("b", "\ufefftwo".encode()), ("c", b"don\x92t")):
        (folder / "x" / f"{name}.txt").write_bytes(content)
    with pytest.raises(UserError) as e:
        read_speech_folder(folder)
    assert str(e.value).startswith("2 of 3 transcripts are faulty: ")
    for name in ("a", "c"):
        assert f"x/{name}.txt: not UTF-8 text (byte 0x" in str(e.value)
    assert "perhaps cp1252" in str(e.value)
    (folder / "text").write_bytes(b"a caf\xe9\n")
    with pytest.raises(
        UserError, match=r"corpus/text: not UTF-8 text \(byte 0xe9 in line 1\), perh"
    ):
        read_speech_folder(folder)


def test_ids_too_long_for_the_files_that_are_made_of_them(tree):
    folder = tree(f"x/{'a' * 243}.wav")
    with pytest.raises(
        UserError, match=r"1 file\(s\) whose name.* cannot be an id \(x/aaa.*shorten"
    ):
        read_speech_folder(folder)


def test_linked_folders_are_entered(tree, tmp_path):
    tree("ann/a.wav")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "zoe").symlink_to(tmp_path / "corpus" / "ann")
    assert rows(tmp_path / "links") == [("zoe-a", "zoe/a.wav", "zoe", "")]


def test_headers_are_checked_all_at_once(tree):
    folder = tree("x/a.wav", "x/b.wav", "x/c.wav", "x/d.wav", "x/e.flac")
    (folder / "x" / "b.wav").write_bytes(b"no audio")
    whole = (folder / "x" / "c.wav").read_bytes()
    (folder / "x" / "c.wav").write_bytes(whole[:-20])
    soundfile.write(folder / "x" / "d.wav", np.zeros((80, 2)), 8000)
    recordings = read_speech_folder(folder)
    with pytest.raises(UserError) as e:
        check_speech(folder, recordings)
    for message in (
        "1 of 5 audio file(s): not a readable audio file: replace it (x/b.wav:",
        "1 of 5 audio file(s): audio file is truncated: replace it (x/c.wav:",
        "1 of 5 audio file(s): audio has 2 channels",
    ):
        assert message in str(e.value)
