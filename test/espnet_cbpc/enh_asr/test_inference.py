"""EnhSpeech2Text on tiny random models."""

from pathlib import Path

import numpy as np
import pytest
import torch
from espnet2.bin.asr_inference import Speech2Text
from tiny_models import GREEDY, TOKENS, files, padded, speech

from espnet_cbpc.enh_asr.inference import EnhSpeech2Text
from espnet_cbpc.utils.cli import UserError


def test_joint_model_agrees_with_stock_espnet(models, joint):
    wave = speech(6000)
    text, enhanced = joint(wave)
    stock = Speech2Text(*map(str, (models / "joint.yaml", models / "joint.pth")), enh_s2t_task=True)
    lengths = torch.tensor([6000])
    with torch.no_grad():
        expected = stock.asr_model.enh_model.forward_enhance(torch.tensor(wave)[None], lengths)
        (encoded,), _ = stock.asr_model.encode(torch.tensor(wave)[None], lengths)
    assert enhanced.shape == (6000,) and enhanced.dtype == np.float32
    np.testing.assert_allclose(enhanced, expected[0][0][0].numpy(), atol=1e-6)
    best = torch.unique_consecutive(stock.asr_model.s2t_model.ctc.argmax(encoded)[0])
    tokens = [TOKENS[i] for i in best.tolist() if i not in (0, len(TOKENS) - 1)]
    assert text == "".join(tokens).replace("<space>", " ")
    assert len(text) > 3


def test_beam_search_is_that_of_espnet(models):
    options = {"beam_size": 3, "ctc_weight": 0.4, "maxlenratio": 0.5, "penalty": 0.1}
    ours = EnhSpeech2Text(**files(models, "asr", "hybrid"), **options)
    stock = Speech2Text(**files(models, "asr", "hybrid"), **options)
    waves = [speech(4000), speech(4000, 1)]
    for wave, result in zip(waves, ours.batch(*padded(waves))):
        text, tokens, ids, hypothesis = stock(wave)[0]
        best = result.nbest[0]
        assert (best.text, best.tokens, best.token_ids) == (text, tokens, ids)
        assert best.score == pytest.approx(float(hypothesis.score), abs=1e-4)
        assert result.enhanced is None
    assert not ours.greedy


def test_beam_is_no_wider_than_the_vocabulary(models, caplog):
    wide, narrow = (
        EnhSpeech2Text(**files(models, "asr", "hybrid"), beam_size=size, maxlenratio=0.3)
        for size in (20, len(TOKENS))
    )
    assert "beam_size 20: the vocabulary has 7 tokens" in caplog.text
    assert wide(speech(4000)) == narrow(speech(4000))


def test_beam_of_a_ctc_only_model(models):
    ours = EnhSpeech2Text(**files(models, "asr", "ctc"), beam_size=4, ctc_weight=1.0, nbest=2)
    text, enhanced = ours(speech(4000))
    assert (
        text
        == Speech2Text(**files(models, "asr", "ctc"), beam_size=4, ctc_weight=1.0)(speech(4000))[0][
            0
        ]
    )
    assert enhanced is None


def test_separate_se_is_put_in_front(models):
    both = EnhSpeech2Text(**files(models, "asr", "ctc"), **files(models, "enh", "enh"), **GREEDY)
    alone = EnhSpeech2Text(**files(models, "asr", "ctc"), **GREEDY)
    text, enhanced = both(speech(6000))
    assert alone(enhanced) == (text, None)
    assert alone(speech(6000))[0] != text


@pytest.mark.parametrize("name", ["joint", "rnn"])
def test_batch_of_one_length_agrees_with_single(models, joint, name):
    model = joint if name == "joint" else EnhSpeech2Text(**files(models, "asr", "rnn"), **GREEDY)
    waves = [speech(5000, seed) for seed in range(3)]
    results = model.batch(*padded(waves))
    assert len({result.text for result in results}) > 1
    for wave, result in zip(waves, results):
        alone_text, alone_enhanced = model(wave)
        assert result.text == alone_text
        if name == "joint":
            np.testing.assert_allclose(result.enhanced, alone_enhanced, atol=1e-5)


def test_padding_reaches_the_last_frames_only(joint):
    waves = [speech(4800, 0), speech(5000, 1), speech(4900, 2)]  # not in order of length
    results = joint.batch(*padded(waves))
    assert results[1].text == joint(waves[1])[0]
    for wave, result in zip(waves, results):
        alone, enhanced = joint(wave)[1], result.enhanced
        assert len(enhanced) == len(wave)
        # the mask of the SE is a BLSTM over the utterance, whose ends alone have seen the padding
        error = np.abs(enhanced - alone)
        assert error[: len(wave) // 2].max() < 0.01 * np.abs(alone).max()


def test_what_lies_beyond_the_length_is_not_read(joint):
    waves = [speech(4800, 0), speech(5000, 1)]
    loud, lengths = padded(waves)
    quiet = np.where(np.arange(5000) < np.array(lengths)[:, None], loud, 0)
    for a, b in zip(joint.batch(loud, lengths), joint.batch(quiet, lengths)):
        assert a.nbest == b.nbest
        np.testing.assert_array_equal(a.enhanced, b.enhanced)


def test_models_that_do_not_go_together(models):
    either = "give either a joint model, or an ASR model with or without an SE model"
    joint, asr, enh = (
        files(models, *kind) for kind in (("enh_asr", "joint"), ("asr", "ctc"), ("enh", "enh"))
    )
    for wrong in ({}, enh, {**joint, **asr}, {**joint, **enh}):
        with pytest.raises(UserError, match=either):
            EnhSpeech2Text(**wrong)
    with pytest.raises(UserError, match="the asr model takes both"):
        EnhSpeech2Text(asr_model_file=asr["asr_model_file"])
    with pytest.raises(UserError, match=r"no/such: no such file \(of the asr model\)"):
        EnhSpeech2Text(**{**asr, "asr_model_file": "no/such"})


def test_unfit_parameters_are_refused(models, tmp_path):
    config, model = files(models, "asr", "ctc").values()
    broken = tmp_path / "broken.pth"
    broken.write_bytes(Path(model).read_bytes()[:1000])
    with pytest.raises(UserError, match="broken.pth: not a readable file of model parameters"):
        EnhSpeech2Text(asr_train_config=config, asr_model_file=broken)
    state = torch.load(model)
    del state["ctc.ctc_lo.bias"]
    torch.save(state, broken)
    with pytest.raises(UserError, match=r"1 parameter\(s\) .* are missing \(ctc.ctc_lo.bias\)"):
        EnhSpeech2Text(asr_train_config=config, asr_model_file=broken)


def test_a_configuration_of_another_model_is_refused(models):
    config, model = files(models, "asr", "ctc").values()
    for wrong in (models / "enh.yaml", models / "rnn.yaml"):
        with pytest.raises(UserError, match=f"{wrong} with {model}: no model|are missing"):
            EnhSpeech2Text(asr_train_config=wrong, asr_model_file=model)
    state = torch.load(model)
    state["ctc.ctc_lo.bias"] = torch.zeros(3)
    torch.save(state, models / "shape.pth")
    with pytest.raises(
        UserError, match="no model of this kind can be built from them: .*size mismatch"
    ):
        EnhSpeech2Text(asr_train_config=config, asr_model_file=models / "shape.pth")
