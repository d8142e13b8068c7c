# SPDX-License-Identifier: Apache-2.0
"""Data directories as ESPnet3 sees them."""

import numpy as np
import pytest
import soundfile

from espnet_cbpc.data.kaldi.kaldi_dir import write_data_dir
from espnet_cbpc.utils.cli import UserError

pytest.importorskip("espnet3", reason="SKIPPED: no espnet3: install ESPnet 202611 (Python 3.12)")


@pytest.fixture
def recipe(tmp_path):
    """A recipe's folder with a data directory of two utterances, whose audio paths start there."""
    rng = np.random.default_rng(0)
    for name in ("a.wav", "b.wav", "a_clean.wav"):
        soundfile.write(tmp_path / name, rng.uniform(-0.5, 0.5, 100), 8000, "FLOAT")
    tables = {
        "wav.scp": {"a": "a.wav", "b": "b.wav"},
        "spk1.scp": {"a": "a_clean.wav", "b": str(tmp_path / "b.wav")},
        "text": {"a": "one two", "b": "two"},
        "utt2category": {"a": "SIMU", "b": "CLEAN"},
        "utt2spk": {"a": "ann", "b": "bob"},
    }
    write_data_dir(tmp_path / "train", tables)
    return tmp_path


@pytest.fixture
def dataset():
    """The dataset class."""
    from espnet_cbpc.espnet3.data_dir import Dataset

    return Dataset


def test_utterances_have_what_the_joint_task_asks_for(recipe, dataset):
    found = dataset(recipe / "train", root=recipe)
    assert len(found) == 2 and list(found.keys()) == ["a", "b"]
    for utterance, reference, text, category in (
        ("a", "a_clean", "one two", "SIMU"),
        ("b", "b", "two", "CLEAN"),
    ):
        item = found[utterance]
        assert set(item) == {"speech", "speech_ref1", "text_spk1", "utt2category"}
        assert (item["text_spk1"], item["utt2category"]) == (text, category)
        for name, file in (("speech", utterance), ("speech_ref1", reference)):
            samples, _ = soundfile.read(recipe / f"{file}.wav", dtype="float32")
            assert item[name].dtype == np.float32 and np.array_equal(item[name], samples)


def test_a_file_for_each_channel_is_one_signal(recipe, dataset):
    (recipe / "train" / "wav.scp").write_text("a a.wav a_clean.wav\nb b.wav b.wav\n")
    speech = dataset(recipe / "train", root=recipe)["a"]["speech"]
    for channel, name in enumerate(("a", "a_clean")):
        samples, _ = soundfile.read(recipe / f"{name}.wav", dtype="float32")
        assert speech.shape == (100, 2) and np.array_equal(speech[:, channel], samples)


def test_references_and_transcripts_may_be_absent(recipe, dataset):
    for name in ("spk1.scp", "text"):
        (recipe / "train" / name).unlink()
    (recipe / "train" / "utt2category").write_text("a CLEAN\nb REAL\n")
    assert set(dataset(recipe / "train", root=recipe)["b"]) == {"speech", "utt2category"}


def test_espnet3_calls_utterances_by_their_ids(recipe, dataset):
    from espnet3.components.data.dataset import CombinedDataset

    combined = CombinedDataset([dataset(recipe / "train", root=recipe)], [(None, None)])
    combined.use_espnet_collator = True
    assert [combined[i][0] for i in range(2)] == ["a", "b"]
    assert combined["b"][0] == "b"


def test_references_of_some_utterances_only_are_refused(recipe, dataset):
    (recipe / "train" / "spk1.scp").write_text("a a_clean.wav\n")
    with pytest.raises(UserError, match=r"spk1.scp: 1 utterance\(s\) of wav.scp missing \(b\)"):
        dataset(recipe / "train", root=recipe)
