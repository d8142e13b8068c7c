# SPDX-License-Identifier: Apache-2.0
"""Speech of several channels in joint training: all front-ends, losses, categories, and faults."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # which pytest's importlib mode does not
from arrays import FRONT_ENDS, IFASNET, TFGRIDNET, as_array, beamformer

from espnet_cbpc.model.joint_config import joint_config
from espnet_cbpc.utils.cli import UserError


def array_batch(tiny_batch, categories, channels=3):
    batch = tiny_batch(categories)
    return {**batch, "speech": as_array(batch["speech"], channels)}


def gradients(model, batch):
    """Of both models after one training step, whether there are any; all are finite."""
    model.train()
    loss, stats, _ = model(**batch)
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    found = {}
    for name, part in (("enh", model.enh_model), ("asr", model.s2t_model)):
        grads = [p.grad for p in part.parameters() if p.grad is not None]
        assert all(torch.isfinite(g).all() for g in grads)
        found[name] = any(g.abs().sum() > 0 for g in grads)
    return found, stats


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_one_joint_step_of_all_categories(tiny_model, tiny_batch, front_end):
    model = tiny_model(**FRONT_ENDS[front_end])
    found, stats = gradients(model, array_batch(tiny_batch, (0, 1, 2)))
    assert found == {"enh": True, "asr": True}
    assert {stats[f"num_{name}"].item() for name in ("simu", "real", "clean")} == {1.0}
    for name in ("loss_enh", "loss_asr", "loss_cbpc", "loss_infonce"):
        assert torch.isfinite(stats[name]), name
    assert stats["cbpc_anchors"] > 0 and stats["infonce_anchors"] > 0


LOSSES = {
    "feature matching": {"contrastive_criterions": [{"name": "feature_matching"}]},
    "token cross-entropy": {"contrastive_criterions": [{"name": "token_cross_entropy"}]},
    "frozen ASR": {"joint_conf": {"update": "enh", "alpha": 1.0}},
    "frozen SE": {"joint_conf": {"update": "asr"}},
    "self-distillation": {
        "contrastive_criterions": [],
        "joint_conf": {"update": "enh", "alpha": 1.0, "self_distillation": {}},
    },
    "within-cluster norm": {"joint_conf": {"within_cluster_norm": 0.1}},
}


@pytest.mark.parametrize("kind", LOSSES)
def test_one_step_of_each_kind_of_training(tiny_model, tiny_batch, kind):
    model = tiny_model(**beamformer(), **LOSSES[kind])
    frozen = {"frozen ASR": "asr", "self-distillation": "asr", "frozen SE": "enh"}.get(kind)
    found, _ = gradients(model, array_batch(tiny_batch, (0, 0, 1)))
    assert found == {name: name != frozen for name in ("enh", "asr")}


def test_dumped_labels_are_those_of_the_reference(tiny_model, tiny_batch):
    model = tiny_model(**beamformer()).eval()
    batch = array_batch(tiny_batch, (0, 2))
    loss, stats, _ = model(**batch)
    clean, lengths = batch["speech_ref1"].clone(), batch["speech_lengths"]
    clean[1] = batch["speech"][1, :, 1]  # of a clean utterance the reference channel itself
    frames, frame_lengths = model.s2t_model.encode(clean, lengths)
    labels = model.tokenizer(frames, frame_lengths)
    dumped, dumped_stats, _ = model(**batch, labels=labels, labels_lengths=frame_lengths)
    torch.testing.assert_close(dumped, loss)
    assert dumped_stats["cbpc_positives"] == stats["cbpc_positives"] > 0


def test_what_is_heard_is_the_reference_channel(tiny_model, tiny_batch):
    batch = array_batch(tiny_batch, (0, 2))
    array, plain = tiny_model(**beamformer()), tiny_model()
    heard = {"speech": batch["speech"][..., 1], "speech_lengths": batch["speech_lengths"]}
    found = array.collect_feats(batch["speech"], batch["speech_lengths"])
    torch.testing.assert_close(found["feats"], plain.collect_feats(**heard)["feats"])


@pytest.mark.parametrize("front_end", [beamformer(), TFGRIDNET])
def test_one_utterance_is_enhanced_as_in_a_batch_of_its_like(tiny_model, tiny_batch, front_end):
    model = tiny_model(**front_end).eval()
    speech = as_array(tiny_batch((0,))["speech"]).expand(2, -1, -1)
    lengths = torch.full((2,), speech.shape[1])
    both = model.enh_model.forward_enhance(speech, lengths)[0][0]
    one = model.enh_model.forward_enhance(speech[:1], lengths[:1])[0][0]
    torch.testing.assert_close(both[1:], one, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "front_end, channels, message",
    [
        (TFGRIDNET, 2, r"speech of 2 channels, but the SE model \(TFGridNetV2\) takes 3 channels"),
        (
            TFGRIDNET,
            1,
            "speech of 1 channel, but the SE model .* takes 3 channels: give it that many",
        ),
        (FRONT_ENDS["DC-CRN"], 4, r"speech of 4 channels, but .* \(DC_CRNSeparator\) takes 3"),
        ({}, 3, r"speech of 3 channels, but the SE model \(TCNSeparator\) takes 1 channel:"),
        (beamformer(ref_channel=2), 2, "speech of 2 channels, but the reference .* is channel 2"),
    ],
)
def test_a_wrong_number_of_channels(tiny_model, tiny_batch, front_end, channels, message):
    batch = array_batch(tiny_batch, (0, 0), channels)
    with pytest.raises(UserError, match=message):
        tiny_model(**front_end)(**batch)


@pytest.mark.parametrize("front_end", [IFASNET, beamformer(use_wpe=True)])
@pytest.mark.parametrize("has_axis", [False, True])
def test_one_channel_where_any_number_will_do(tiny_model, tiny_batch, front_end, has_axis):
    batch = tiny_batch((0, 1))
    batch["speech"] = batch["speech"][..., None] if has_axis else batch["speech"]
    found, _ = gradients(tiny_model(**front_end), batch)
    assert found == {"enh": True, "asr": True}


def test_a_beamformer_lets_one_channel_through_but_learns_nothing_from_it(tiny_model, tiny_batch):
    model, batch = tiny_model(**beamformer()), tiny_batch((0, 1))
    with pytest.raises(
        UserError, match="speech of 1 channel, from which the SE model .* learns no"
    ):
        model.train()(**batch)
    loss, stats, _ = model.eval()(**batch)  # as in validation
    assert torch.isfinite(loss) and torch.isfinite(stats["loss_enh"])
    frozen = tiny_model(**beamformer(), joint_conf={"update": "asr"})
    assert gradients(frozen, batch)[0] == {"enh": False, "asr": True}


def test_a_beamformer_trained_on_masks_gives_speech_in_joint_training(tiny_model):
    masks = beamformer(loss_type="mask_mse")
    with pytest.raises(UserError, match="outputs masks in training.*: set loss_type to spectrum"):
        tiny_model(**masks)
    assert tiny_model(**masks, joint_conf={"update": "asr"}) is not None  # it only enhances
    enh = {"separator": "wpe_beamformer", "separator_conf": {"ref_channel": 3}}  # mask_mse: default
    conf = joint_config({}, {}, enh)["enh_separator_conf"]
    assert conf == {"ref_channel": 3, "loss_type": "spectrum"}
    enh["separator_conf"]["loss_type"] = "magnitude"
    assert joint_config({}, {}, enh)["enh_separator_conf"]["loss_type"] == "magnitude"
