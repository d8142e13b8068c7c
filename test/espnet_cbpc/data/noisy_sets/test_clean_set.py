# SPDX-License-Identifier: Apache-2.0
"""Data directories of clean speech."""

from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table
from espnet_cbpc.data.noisy_sets.clean_set import write_clean_set
from espnet_cbpc.data.noisy_sets.speech_folder import Recording


def recordings(text):
    return [Recording(f"s{i}-u", f"f/{i}.wav", f"s{i}", text) for i in range(3)]


def test_each_recording_is_its_own_reference(tmp_path):
    write_clean_set(tmp_path / "set", recordings("one two"), tmp_path, {"s1": "f", "x": "m"})
    data = DataDir.read(tmp_path / "set")
    assert data.tables["wav.scp"] == data.tables["spk1.scp"]
    assert data.tables["wav.scp"]["s2-u"] == str(tmp_path / "f" / "2.wav")
    assert set(data.categories.values()) == {"CLEAN"}
    assert set(data.tables["text"].values()) == {"one two"}
    assert read_table(tmp_path / "set" / "spk2gender") == {"s1": "f"}


def test_without_transcripts_there_is_no_text(tmp_path):
    write_clean_set(tmp_path / "set", recordings(""), tmp_path, {})
    data = DataDir.read(tmp_path / "set", require_text=False)
    assert len(data.ids) == 3 and "text" not in data.tables
    assert not (tmp_path / "set" / "spk2gender").exists()
