# SPDX-License-Identifier: Apache-2.0
"""Transcripts that are longer than the encoder's frames are told when statistics are collected."""

import pytest
import torch

from espnet_cbpc.tasks.collected_lengths import check_collected, encoder_frames
from espnet_cbpc.utils.cli import UserError

SAMPLES = {"a": 2000, "b": 4000, "c": 7999, "d": 8000}


@pytest.fixture
def collected(tmp_path):
    """Function: write shapes with these numbers of tokens."""

    def write(tokens):
        folder = tmp_path / "train"
        folder.mkdir(exist_ok=True)
        lines = {"speech_shape": SAMPLES, "text_spk1_shape": tokens}
        for name, counts in lines.items():
            (folder / name).write_text("".join(f"{u} {n}\n" for u, n in counts.items()))
        return tmp_path

    return write


@torch.no_grad()
def test_frames_are_those_of_the_encoder_or_one_more(tiny_model):
    model = tiny_model()
    found = encoder_frames(model, model.s2t_model, SAMPLES)
    for utterance, count in SAMPLES.items():
        frames = model.s2t_model.encode(torch.zeros(1, count), torch.tensor([count]))[1].item()
        assert 0 <= found[utterance] - frames <= 1
    assert encoder_frames(model, model.s2t_model, {"a": 50, "b": 60}) == {"a": 0, "b": 0}


def test_some_that_do_not_fit_are_told_and_none_that_fits_is_an_error(
    tiny_model, collected, caplog
):
    model = tiny_model()
    check_collected(collected(dict.fromkeys(SAMPLES, 3)), "text_spk1", model)
    assert caplog.text == ""
    check_collected(collected({"a": 3, "b": 99, "c": 3, "d": 3}), "text_spk1", model)
    assert "1 of 4 transcripts do not fit into the frames of the encoder (b needs 99" in caplog.text
    with pytest.raises(UserError, match="train: 4 of 4 transcripts do not fit"):
        check_collected(collected(dict.fromkeys(SAMPLES, 99)), "text_spk1", model)
    check_collected(collected(SAMPLES), "text", model)  # not collected
