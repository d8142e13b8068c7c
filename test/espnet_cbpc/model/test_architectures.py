# SPDX-License-Identifier: Apache-2.0
"""Every encoder and decoder that ESPnet offers takes part in a joint training step."""

import pytest
import torch

ATTENTION = {"attention_heads": 2, "linear_units": 16, "num_blocks": 2}
SMALL = {"output_size": 16, **ATTENTION}
ENCODERS = {
    "conformer": {**SMALL, "cnn_module_kernel": 3},
    "e_branchformer": {**SMALL, "cgmlp_linear_units": 32, "cgmlp_conv_kernel": 3},
    "branchformer": {
        **{k: v for k, v in SMALL.items() if k != "linear_units"},
        "cgmlp_linear_units": 32,
        "cgmlp_conv_kernel": 3,
    },
    "transformer": SMALL,
    "contextual_block_conformer": {
        **SMALL,
        "cnn_module_kernel": 3,
        "block_size": 8,
        "hop_size": 4,
        "look_ahead": 2,
    },
    "rnn": {"num_layers": 1, "hidden_size": 8, "output_size": 16},
}
TRANSDUCER = {
    "asr_decoder": "transducer",
    "asr_decoder_conf": {"rnn_type": "lstm", "num_layers": 1, "hidden_size": 8},
    "joint_net_conf": {"joint_space_size": 8},
    "asr_model_conf": {"ctc_weight": 0.3, "report_cer": False, "report_wer": False},
}
CTC = {
    "asr_decoder": None,
    "asr_model_conf": {"ctc_weight": 1.0, "report_cer": False, "report_wer": False},
}
INTERMEDIATE = {
    "asr_encoder_conf": {
        **SMALL,
        "cnn_module_kernel": 3,
        "interctc_layer_idx": [1],
        "interctc_use_conditioning": True,
    },
    "asr_model_conf": {
        "ctc_weight": 0.5,
        "interctc_weight": 0.5,
        "report_cer": False,
        "report_wer": False,
    },
}
VARIANTS = {
    **{name: {"asr_encoder": name, "asr_encoder_conf": conf} for name, conf in ENCODERS.items()},
    "CTC alone": CTC,
    "transducer": TRANSDUCER,
    "intermediate CTC": INTERMEDIATE,
    "sliding window": {
        "frontend": "sliding_window",
        "frontend_conf": {"win_length": 400, "hop_length": 80},
        "asr_preencoder": "sinc",
        "asr_preencoder_conf": {"fs": 8000, "out_channels": 256},
    },
    "linear preencoder": {
        "asr_preencoder": "linear",
        "asr_preencoder_conf": {"input_size": 16, "output_size": 8},
    },
}


def step(model, batch):
    """One training step; returns which of the two models got gradients, and the statistics."""
    model.train()
    loss, stats, _ = model(**batch)
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    reached = {
        name: any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())
        for name, part in (("enh", model.enh_model), ("asr", model.s2t_model))
    }
    return reached, stats


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_joint_step(tiny_model, tiny_batch, variant):
    model = tiny_model(**VARIANTS[variant])
    reached, stats = step(model, tiny_batch((0, 1, 2)))
    assert reached == {"enh": True, "asr": True}
    assert stats["cbpc_anchors"] > 0 and torch.isfinite(stats["loss_cbpc"])
    # the enhanced and the clean frames that are compared come from the same block
    assert -1 <= stats["cbpc_sim_pos"] <= 1


@pytest.mark.parametrize("variant", ["rnn", "transducer", "intermediate CTC"])
def test_a_frozen_model_of_that_kind_lets_the_gradient_through(tiny_model, tiny_batch, variant):
    joint = {"joint_conf": {"update": "enh", "alpha": 1.0}}
    before = tiny_model(**VARIANTS[variant], **joint)
    state = {k: v.clone() for k, v in before.s2t_model.state_dict().items()}
    reached, _ = step(before, tiny_batch((0, 0)))
    assert reached == {"enh": True, "asr": False}
    assert all(torch.equal(v, state[k]) for k, v in before.s2t_model.state_dict().items())


def test_transducer_loss_is_that_of_all_alignments():
    from espnet_cbpc.compat.transducer import RNNTLoss

    torch.manual_seed(0)
    logits = torch.randn(1, 3, 3, 4, dtype=torch.float32)  # T = 3, U = 2
    targets = torch.tensor([[1, 3]], dtype=torch.int32)
    log_probs = logits[0].log_softmax(-1)

    def total(t, u):  # log-probability of all ways on from node (t, u)
        ways = []
        if u < 2:
            ways.append(log_probs[t, u, targets[0, u]] + total(t, u + 1))
        if t < 2:
            ways.append(log_probs[t, u, 0] + total(t + 1, u))
        elif u == 2:
            return log_probs[t, u, 0]
        return torch.logsumexp(torch.stack(ways), 0)

    lengths = torch.tensor([3], dtype=torch.int32), torch.tensor([2], dtype=torch.int32)
    loss = RNNTLoss(blank=0)(logits, targets, *lengths)
    torch.testing.assert_close(loss, -total(0, 0))
    # frames and tokens beyond the lengths do not count
    padded = torch.nn.functional.pad(logits, (0, 0, 0, 2, 0, 1), value=9.0)
    more = torch.nn.functional.pad(targets, (0, 2), value=2)
    torch.testing.assert_close(RNNTLoss(blank=0)(padded, more, *lengths), loss)


@pytest.mark.parametrize("rates", [(8000, 16000), (16000, 8000), (12000, 8000)])
def test_speech_is_resampled_between_models_of_different_rates(tiny_model, tiny_batch, rates):
    enh_fs, asr_fs = rates
    plain = tiny_model()
    model = tiny_model(joint_conf={"enh_fs": enh_fs, "asr_fs": asr_fs})
    batch = tiny_batch((0, 2))
    reached, stats = step(model, batch)
    assert reached == {"enh": True, "asr": True}
    feats = model.collect_feats(batch["speech"], batch["speech_lengths"])
    expected = plain.collect_feats(batch["speech"], batch["speech_lengths"])
    ratio = feats["feats_lengths"] / expected["feats_lengths"]
    torch.testing.assert_close(ratio, torch.full_like(ratio, asr_fs / enh_fs), rtol=0.05, atol=0)
    # a tone keeps its frequency in Hz
    times = torch.arange(enh_fs) / enh_fs
    tone, lengths = model.at_asr_rate(
        torch.sin(2 * torch.pi * 1000 * times)[None], torch.tensor([enh_fs])
    )
    assert lengths.tolist() == [asr_fs] and tone.shape == (1, asr_fs)
    assert int(torch.fft.rfft(tone[0]).abs().argmax()) == 1000


def test_rates_come_in_pairs(tiny_model):
    from espnet_cbpc.utils.cli import UserError

    with pytest.raises(UserError, match="give both enh_fs and asr_fs, or neither"):
        tiny_model(joint_conf={"enh_fs": 8000})
