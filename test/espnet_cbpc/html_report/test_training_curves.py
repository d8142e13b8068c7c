# SPDX-License-Identifier: Apache-2.0
"""Curves from TensorBoard files such as ESPnet writes."""

import html_report_files as made

from espnet_cbpc.html_report.training_curves import is_main, plot, read_curves


def test_means_over_epochs_are_read_for_both_splits(tmp_path):
    made.training(tmp_path, start=12.0)
    curves = read_curves(tmp_path)
    assert set(curves) == {"loss_cbpc", "cbpc_anchors"}  # no times, nothing but numbers
    assert curves["loss_cbpc"]["train"] == {1: 12.0, 2: 6.0, 3: 4.0}
    assert curves["loss_cbpc"]["valid"] == {1: 13.0, 2: 7.0, 3: 5.0}
    assert curves["cbpc_anchors"]["train"] == {1: 30.0, 2: 30.0, 3: 30.0}


def test_an_epoch_that_was_trained_again_counts_as_it_was_then(tmp_path):
    made.training(tmp_path)
    again = [("iter_epoch", 30, 3), ("loss_cbpc", 30, 7.5)]
    made.write_events(tmp_path / "tensorboard" / "train", again, suffix=".resumed")
    assert read_curves(tmp_path)["loss_cbpc"]["train"] == {1: 10.0, 2: 5.0, 3: 7.5}


def test_no_records(tmp_path):
    assert read_curves(tmp_path) == {}


def test_what_comes_first():
    first = ["loss", "loss_ctc", "si_snr_loss", "optim0_lr0", "cer_ctc", "acc"]
    assert all(map(is_main, first))
    assert not any(map(is_main, ["cbpc_anchors", "grad_norm", "clip", "num_simu"]))


def test_the_alternative_text_tells_first_and_last():
    runs = [{"train": {1: 4.0, 2: 3.0, 5: 0.123456}, "valid": {1: 5.0}}, {"train": {1: 9.0}}]
    alt = plot("joint", "loss_cbpc", runs).alt
    assert "train: 4 in epoch 1, 0.1235 in epoch 5. valid: 5 in epoch 1" in alt
    assert "loss_cbpc by epoch, joint" in alt and "first of 2 runs" in alt
