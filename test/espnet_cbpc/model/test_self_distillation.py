# SPDX-License-Identifier: Apache-2.0
"""Self-distillation in the joint model."""

import pytest
import torch

from espnet_cbpc.loss.self_distillation import self_distillation_loss
from espnet_cbpc.utils.cli import UserError


def frozen(tiny_model, posteriors=None, criterions=(), **options):
    """A joint model whose ASR model is frozen, with self-distillation."""
    conf = {"posteriors": posteriors, **options}
    joint_conf = {"update": "enh", "alpha": 1.0, "self_distillation": conf}
    return tiny_model(contrastive_criterions=list(criterions), joint_conf=joint_conf)


def scalar(x):
    return float(torch.as_tensor(x).detach().reshape(-1)[0])


@pytest.mark.parametrize("posteriors", ["ctc", "decoder"])
def test_it_teaches_the_se_model_alone(tiny_model, tiny_batch, posteriors):
    model = frozen(tiny_model, posteriors).train()
    loss, stats, _ = model(**tiny_batch())
    loss.backward()
    assert scalar(stats["loss_sd"]) > 0
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.enh_model.parameters())
    assert all(p.grad is None for p in model.s2t_model.parameters())


def test_it_is_weighed_beside_the_other_losses(tiny_model, tiny_batch):
    criterions = [{"name": "infonce", "weight": 2.0}]
    model = frozen(tiny_model, "ctc", criterions, weight=3.0).eval()
    loss, stats, _ = model(**tiny_batch())
    expected = stats["loss_enh"] + 2.0 * stats["loss_infonce"] + 3.0 * stats["loss_sd"]
    torch.testing.assert_close(loss, expected)


def test_ctc_posteriors_are_those_of_the_valid_frames(tiny_model, tiny_batch):
    model, batch = frozen(tiny_model, "ctc").eval(), tiny_batch()
    _, stats, _ = model(**batch)
    asr, lengths = model.s2t_model, batch["speech_lengths"]
    enhanced, _ = model.enh_model.forward_enhance(batch["speech"], lengths, {"num_spk": 1})[:2]
    with torch.no_grad():
        silent = enhanced[0] * (torch.arange(enhanced[0].shape[1]) < lengths[:, None])
        h, counts = asr.encode(silent, lengths)
        c, _ = asr.encode(batch["speech_ref1"], lengths)
    parts = [(asr.ctc.ctc_lo(h[i, :n]), asr.ctc.ctc_lo(c[i, :n])) for i, n in enumerate(counts)]
    expected = self_distillation_loss(*(torch.cat(p) for p in zip(*parts)))
    assert scalar(stats["loss_sd"]) == pytest.approx(expected.item(), rel=1e-4)


def test_the_decoder_is_led_along_the_transcript_and_padding_does_not_count(tiny_model, tiny_batch):
    model, batch = frozen(tiny_model, "decoder").eval(), tiny_batch()
    first = scalar(model(**batch)[1]["loss_sd"])
    longer = dict(batch, text_spk1=torch.nn.functional.pad(batch["text_spk1"], (0, 3), value=-1))
    assert scalar(model(**longer)[1]["loss_sd"]) == pytest.approx(first, rel=1e-5)
    other = dict(batch, text_spk1=torch.full_like(batch["text_spk1"], 3))
    assert scalar(model(**other)[1]["loss_sd"]) != pytest.approx(first, rel=1e-3)


def test_real_recordings_take_no_part(tiny_model, tiny_batch):
    model = frozen(tiny_model, "ctc").eval()
    loss, stats, _ = model(**tiny_batch((1, 1)))
    assert scalar(loss) == 0.0 and torch.isnan(torch.as_tensor(stats["loss_sd"])).all()


def test_without_criterions_there_is_no_tokenizer(tiny_model, tiny_batch):
    model = frozen(tiny_model, "ctc")
    assert model.tokenizer is None and model.tapped == [None]


@pytest.mark.parametrize(
    "conf, error, message",
    [
        ({"posteriors": "words"}, ValueError, "posteriors must be one of"),
        ({"posteriors": "ctc", "weight": 0}, ValueError, "must be positive"),
        ({"from": "ctc"}, UserError, "self_distillation: .*'from'"),
    ],
)
def test_options_are_checked(tiny_model, conf, error, message):
    with pytest.raises(error, match=message):
        tiny_model(joint_conf={"update": "enh", "self_distillation": conf})


def test_a_recogniser_that_is_trained_is_refused(tiny_model):
    with pytest.raises(UserError, match="needs a frozen ASR model"):
        tiny_model(joint_conf={"self_distillation": {}})


def test_missing_transcripts_are_told_with_the_remedy(tiny_model, tiny_batch):
    batch = {k: v for k, v in tiny_batch().items() if not k.startswith("text")}
    with pytest.raises(UserError, match="--own_transcripts true"):
        frozen(tiny_model, "decoder")(**batch)
    frozen(tiny_model, "ctc")(**batch)
