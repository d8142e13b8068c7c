# SPDX-License-Identifier: Apache-2.0
"""What training commands read: which table, and by which of ESPnet's types."""

from pathlib import Path

import pytest

from espnet_cbpc.data.kaldi.kaldi_dir import write_table
from espnet_cbpc.recipe.stages.training import HEARD, Source


@pytest.fixture
def folder(tmp_path):
    write_table(tmp_path / "wav.scp", {"a": "a.wav", "b": "my b.wav"})
    write_table(tmp_path / "text", {"a": "one.wav two.wav"})
    return tmp_path


@pytest.fixture
def array(folder):
    write_table(folder / "wav.scp", {"a": "a.CH1.wav a.CH2.wav"})
    write_table(folder / "noisy.scp", {"a": "a.CH1.wav"})
    return folder


NOISY = Source("wav.scp", "speech", "sound")
ONE_CHANNEL = Source(HEARD, "speech", "sound")


def test_files_are_read_as_sound(folder):
    assert NOISY.triple("train", folder) == f"{folder}/wav.scp,speech,sound"
    assert ONE_CHANNEL.triple("train", folder) == f"{folder}/wav.scp,speech,sound"


def test_a_file_for_each_channel_is_read_as_columns(array):
    assert NOISY.triple("train", array) == f"{array}/wav.scp,speech,multi_columns_sound"
    assert ONE_CHANNEL.triple("train", array) == f"{array}/noisy.scp,speech,sound"


def test_what_is_no_sound_keeps_its_type(folder):
    assert Source("text", "text", "text").triple("valid", folder) == f"{folder}/text,text,text"
    labels = Source("exp/labels/SPLIT/labels.scp", "labels", "kaldi_ark")
    assert labels.path("valid", folder) == Path("exp/labels/valid/labels.scp")
