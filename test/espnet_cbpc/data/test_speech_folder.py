"""Folders of speech in the layouts that corpora come in, and what is said of faulty ones."""

import re
from dataclasses import astuple

import numpy as np
import pytest
import soundfile

from espnet_cbpc.data.speech_folder import check_speech, read_speech_folder
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
            (tmp_path / "corpus" / file).write_text(content)
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
         "corpus/text: no transcript for 1 of 2 audio files (x/b.wav): add them, or take"),
        (["x/a.wav", "x/b.wav"], {"x/a.txt": "one"},
         "(.txt beside the audio): no transcript for 1 of 2 audio files (x/b.wav)"),
        (["x/a.wav"], {"utt2spk": "b bob\n"}, "utt2spk: no speaker for 1 of 1 audio files"),
        (["x/a.wav", "x/a.flac"], {}, "1 utterance id(s) stand for several files (x/a.flac = x/a"),
        (["x/a b.wav", "x/a_b.wav"], {}, "stand for several files (x/a b.wav = x/a_b.wav)"),
        (["x/a.wav"], {"text": "a one\na two\n"}, "text:2: 'a' comes twice"),
    ],
)  # fmt: skip
def test_faulty_folders(tree, files, texts, message):
    folder = tree(*files)
    tree.write(texts)
    with pytest.raises(UserError, match=re.escape(message)):
        read_speech_folder(folder)


def test_no_folder_no_audio(tmp_path):
    with pytest.raises(UserError, match="no folder of clean speech is named"):
        read_speech_folder("")
    with pytest.raises(UserError, match=r"none: no such folder \(clean speech\)"):
        read_speech_folder(tmp_path / "none")
    (tmp_path / ".trash").mkdir()
    (tmp_path / ".trash" / "a.wav").touch()
    (tmp_path / "._b.wav").touch()
    with pytest.raises(UserError, match=r"no audio files \(clean speech\)"):
        read_speech_folder(tmp_path)


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
        "1 of 5 audio file(s): audio file is cut short: replace it (x/c.wav:",
        "1 of 5 audio file(s): audio has 2 channels",
    ):
        assert message in str(e.value)
