# SPDX-License-Identifier: Apache-2.0
"""EnhSpeech2Text on tiny random models."""

import logging
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from espnet2.bin.asr_inference import Speech2Text
from espnet2.bin.enh_inference import SeparateSpeech
from espnet2.tasks.asr import ASRTask
from espnet2.tasks.enh import EnhancementTask
from tiny_models import (
    CONFORMER,
    CRITERIA,
    ENCODERS,
    ENH,
    FS,
    GREEDY,
    TOKENS,
    TRANSDUCER,
    asr_options,
    files,
    padded,
    save_model,
    speech,
)
from torchaudio.functional import resample

from espnet_cbpc.compat.releases import has_ctc_window
from espnet_cbpc.compat.transducer import support_transducers
from espnet_cbpc.inference.decoded_utterance import Hypothesis
from espnet_cbpc.inference.enh_speech2text import SHARES, EnhSpeech2Text
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import read_yaml, write_yaml

EXACT = {"ctc_window_margin": 0} if has_ctc_window() else {}  # ESPnet's search as ours
BEAM = {"beam_size": 4, "ctc_weight": 0.3, "nbest": 2, "maxlenratio": 0.5}


def one(wave):
    return torch.from_numpy(wave)[None], torch.tensor([len(wave)])


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
    stock = Speech2Text(**files(models, "asr", "hybrid"), **options, **EXACT)
    waves = [speech(4000), speech(4000, 1)]
    for wave, result in zip(waves, ours.batch(*padded(waves))):
        text, tokens, ids, hypothesis = stock(wave)[0]
        best = result.nbest[0]
        assert (best.text, best.tokens, best.token_ids) == (text, tokens, ids)
        assert best.score == pytest.approx(float(hypothesis.score), abs=1e-4)
        assert result.enhanced is None
    assert not ours.greedy


@pytest.mark.parametrize("name", ["hybrid", "ctc"])
def test_beam_is_narrower_than_the_vocabulary(models, caplog, name):
    caplog.set_level(logging.INFO)
    default, given, fitting = (
        EnhSpeech2Text(**files(models, "asr", name), maxlenratio=0.3, **options)
        for options in ({}, {"beam_size": len(TOKENS)}, {"beam_size": len(TOKENS) - 1})
    )
    assert "beam_size is 6 for this model, not 20" in caplog.text
    results = [model.decode(speech(4000)) for model in (default, given, fitting)]
    assert results[0].text and results[0].nbest == results[1].nbest == results[2].nbest


@pytest.mark.parametrize("options", [{}, {"beam_size": 4, "ctc_weight": 0.3}])
def test_without_a_decoder_ctc_has_all_the_weight(models, options):
    ours = EnhSpeech2Text(**files(models, "asr", "ctc"), **options)
    beam = {"beam_size": 4, **options}["beam_size"] if options else len(TOKENS) - 1
    stock = Speech2Text(**files(models, "asr", "ctc"), beam_size=beam, ctc_weight=1.0, **EXACT)
    texts = {ours(speech(4000, seed))[0] for seed in range(3)}
    assert texts == {stock(speech(4000, seed))[0][0] for seed in range(3)} and "" not in texts


def test_no_special_symbol_is_part_of_a_text(models):
    waves = [speech(440 + 40 * seed, seed) for seed in range(10)]  # 55 ms and more
    search = {"beam_size": 6, "ctc_weight": 1.0}
    ours = EnhSpeech2Text(**files(models, "asr", "ctc"), **search)
    stock = Speech2Text(**files(models, "asr", "ctc"), **search, **EXACT)
    theirs = [stock(wave)[0][0] for wave in waves]
    assert any("<sos/eos>" in text for text in theirs)
    assert [ours(wave)[0] for wave in waves] == [t.replace("<sos/eos>", "") for t in theirs]


def test_options_packed_with_a_model_are_its_default(models, tmp_path):
    for name in ("hybrid.yaml", "hybrid.pth"):
        shutil.copy(models / name, tmp_path)
    (tmp_path / "decode.yaml").write_text("ctc_greedy: true\n")
    packed = files(tmp_path, "asr", "hybrid")
    assert EnhSpeech2Text(**packed).greedy
    assert not EnhSpeech2Text(**packed, beam_size=2).greedy  # what is given is given whole
    assert not EnhSpeech2Text(**files(models, "asr", "hybrid")).greedy


@pytest.mark.skipif(not has_ctc_window(), reason="ESPnet searches one utterance at a time")
def test_searching_in_batches_finds_the_same(models):
    waves = [speech(4000 + 400 * seed, seed) for seed in range(3)]
    encoded_alone = EnhSpeech2Text(**files(models, "asr", "hybrid"), **BEAM)
    in_batches = EnhSpeech2Text(**files(models, "asr", "hybrid"), **BEAM, batched_search=True)
    rows = [encoded_alone.s2t_model.encode(*one(wave))[0][0] for wave in waves]
    expected = encoded_alone._search(rows)
    assert in_batches._search.batched and not encoded_alone._search.batched
    for found, alone in zip(in_batches._search(rows), expected):
        assert [tokens for _, tokens, _, _ in found] == [tokens for _, tokens, _, _ in alone]
    assert [r.text for r in in_batches.batch(*padded(waves[:1] * 2))] == [expected[0][0][0]] * 2


def test_a_window_of_ctc_scores_where_espnet_has_one(models):
    asked = {**files(models, "asr", "hybrid"), "ctc_window_margin": 5, "maxlenratio": 0.3}
    if not has_ctc_window():
        with pytest.raises(UserError, match="has no windowed CTC scores: set it to 0"):
            EnhSpeech2Text(**asked)
        return
    stock = Speech2Text(**asked, beam_size=6)
    assert EnhSpeech2Text(**asked)(speech(4000))[0] == stock(speech(4000))[0][0]


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
    with pytest.raises(UserError, match=r"1 missing \(ctc.ctc_lo.bias\)"):
        EnhSpeech2Text(asr_train_config=config, asr_model_file=broken)


def test_a_configuration_of_another_model_is_refused(models):
    config, model = files(models, "asr", "ctc").values()
    for wrong in (models / "enh.yaml", models / "rnn.yaml"):
        with pytest.raises(UserError, match=f"{wrong} with {model}: no model|18 missing"):
            EnhSpeech2Text(asr_train_config=wrong, asr_model_file=model)
    state = torch.load(model)
    state["ctc.ctc_lo.bias"] = torch.zeros(3)
    torch.save(state, models / "shape.pth")
    with pytest.raises(
        UserError, match="no model of this kind can be built from them: .*size mismatch"
    ):
        EnhSpeech2Text(asr_train_config=config, asr_model_file=models / "shape.pth")


KINDS = [(encoder, kind) for encoder in ENCODERS for kind in ("attention", "transducer")]
KINDS += [(name, "intermediate") for name in ("conformer", "transformer", "e_branchformer")]


@pytest.mark.parametrize("encoder, kind", KINDS)
def test_every_encoder_and_decoder(models, tmp_path, encoder, kind):
    decoder = {**CONFORMER, "encoder": encoder, "encoder_conf": dict(ENCODERS[encoder])}
    if kind == "transducer":
        support_transducers()
        decoder.update(TRANSDUCER)
    elif kind == "intermediate":
        layers = {"num_blocks": 2, "interctc_layer_idx": [1]}
        decoder["encoder_conf"].update(layers, interctc_use_conditioning=True)
    options = asr_options(decoder, 0.3)
    if kind == "intermediate":
        options["model_conf"]["interctc_weight"] = 0.3
    save_model(tmp_path, "asr", ASRTask, options)
    search = {"beam_size": 2 if kind == "transducer" else 3, "ctc_weight": 0.3, "maxlenratio": 0.4}
    asr = files(tmp_path, "asr", "asr")
    ours = EnhSpeech2Text(**asr, **files(models, "enh", "enh"), **search, token_times=True)
    stock = Speech2Text(**asr, **search, **EXACT)
    result = ours.decode(speech(6000))
    expected = stock(result.enhanced)
    text, tokens, _, hypothesis = (expected[0] if kind == "intermediate" else expected)[0]
    # a random transducer emits this in the midst of a text, where it is no part of it
    text = text.replace("<sos/eos>", "")
    tokens = [token for token in tokens if token != "<sos/eos>"]
    assert (result.text, result.nbest[0].tokens) == (text, tokens)
    assert result.nbest[0].score == pytest.approx(float(hypothesis.score), rel=1e-4, abs=1e-4)
    if result.token_times is not None:
        assert [time.token for time in result.token_times] == tokens
    if kind == "attention":
        assert len(tokens) > 1 and result.token_times[-1].end <= 6000 / ours.fs + 1e-6


def test_nbest_list_is_that_of_espnet(models):
    options = {"beam_size": 4, "ctc_weight": 0.4, "maxlenratio": 0.5, "nbest": 3}
    result = EnhSpeech2Text(**files(models, "asr", "hybrid"), **options).decode(speech(4000))
    expected = Speech2Text(**files(models, "asr", "hybrid"), **options, **EXACT)(speech(4000))
    assert [h.text for h in result.nbest] == [text for text, *_ in expected]
    assert len(result.nbest) == 3
    assert result.nbest[0].score >= result.nbest[1].score >= result.nbest[2].score


def test_score_of_greedy_ctc_is_that_of_its_path(models):
    model = EnhSpeech2Text(**files(models, "asr", "ctc"), **GREEDY)
    with torch.no_grad():
        encoded, _ = model.s2t_model.encode(torch.tensor(speech(4000))[None], torch.tensor([4000]))
        expected = model.s2t_model.ctc.log_softmax(encoded).max(-1).values.sum()
    assert model.decode(speech(4000)).nbest[0].score == pytest.approx(float(expected), rel=1e-5)


def test_greedy_ctc_needs_ctc(models, tmp_path):
    save_model(tmp_path, "attention", ASRTask, asr_options(CONFORMER, 0.0))
    with pytest.raises(UserError, match="ctc_greedy needs a model with CTC"):
        EnhSpeech2Text(**files(tmp_path, "asr", "attention"), **GREEDY)
    model = EnhSpeech2Text(
        **files(tmp_path, "asr", "attention"), ctc_weight=0.0, beam_size=2, token_times=True
    )
    assert model.decode(speech(4000)).token_times is None


def test_observation_adding_interpolates(models, joint):
    wave = speech(6000)
    _, enhanced = joint(wave)
    alone = EnhSpeech2Text(**files(models, "enh_asr", "joint"), **GREEDY, enhance=False)
    texts = {}
    for w in (0.0, 0.3, 1.0):
        model = EnhSpeech2Text(**files(models, "enh_asr", "joint"), **GREEDY, observation_adding=w)
        texts[w], mixed = model(wave)
        np.testing.assert_allclose(mixed, (1 - w) * enhanced + w * wave, atol=1e-6)
        assert texts[w] == alone(mixed)[0]
    assert alone(wave) == (texts[1.0], None)
    assert texts[0.0] == joint(wave)[0] != texts[1.0]
    with pytest.raises(UserError, match="observation_adding is 1.5: must be from 0 to 1"):
        EnhSpeech2Text(**files(models, "enh_asr", "joint"), observation_adding=1.5)


def test_a_joint_model_trained_with_observation_adding_is_used_with_it(models, tmp_path):
    named = files(models, "enh_asr", "joint")
    config = read_yaml(named["enh_asr_train_config"])
    config["joint_conf"] = {**(config.get("joint_conf") or {}), "observation_adding": 0.3}
    write_yaml(tmp_path / "config.yaml", config)
    trained = {**named, "enh_asr_train_config": tmp_path / "config.yaml", **GREEDY}
    wave = speech(6000)
    for asked, share in ((None, 0.3), (0.0, 0.0)):
        expected = EnhSpeech2Text(**named, **GREEDY, observation_adding=share)(wave)
        found = EnhSpeech2Text(**trained, observation_adding=asked)(wave)
        assert found[0] == expected[0]
        np.testing.assert_array_equal(found[1], expected[1])


def test_rates_of_se_and_asr_may_differ(models):
    both = {**files(models, "asr", "ctc"), **files(models, "enh", "enh"), **GREEDY}
    model = EnhSpeech2Text(**both, fs=2 * FS)
    waves = [speech(9000, 0), speech(9000, 1)]
    results = model.batch(*padded(waves))
    alone = EnhSpeech2Text(**files(models, "asr", "ctc"), **GREEDY)
    for _wave, result in zip(waves, results):
        assert len(result.enhanced) == 9000
        heard = resample(torch.from_numpy(result.enhanced), 2 * FS, FS)
        assert result.text == alone(heard)[0]


def test_reference_channel_is_what_the_asr_hears(models):
    asr = EnhSpeech2Text(**files(models, "asr", "ctc"), **GREEDY)
    asr.ref_channel = 1
    channels = np.stack([speech(5000, 0), speech(5000, 1)], axis=1)
    assert asr(channels) == asr(speech(5000, 1))
    assert asr(channels) != asr(speech(5000, 0))


def test_separate_se_that_normalises_its_input(tmp_path, models):
    options = {**ENH, "criterions": CRITERIA, "model_conf": {"normalize_variance": True}}
    save_model(tmp_path, "enh", EnhancementTask, options)
    both = {**files(models, "asr", "ctc"), **files(tmp_path, "enh", "enh"), **GREEDY}
    model = EnhSpeech2Text(**both)
    wave = speech(5000)
    expected = SeparateSpeech(tmp_path / "enh.yaml", tmp_path / "enh.pth")(wave[None], fs=FS)
    np.testing.assert_allclose(model(wave)[1], expected[0][0], atol=1e-5)
    np.testing.assert_allclose(model(8 * wave)[1], 8 * model(wave)[1], rtol=1e-3, atol=1e-5)


def test_from_pretrained_fetches_the_models(models, monkeypatch):
    asked = []

    def locate(name, kind, cachedir):
        asked.append((name, kind, cachedir))
        place = models / {"enh_asr": "joint", "asr": "ctc", "enh": "enh"}[kind]
        return SimpleNamespace(
            config=place.with_suffix(".yaml"), checkpoint=place.with_suffix(".pth")
        )

    monkeypatch.setattr("espnet_cbpc.model_zoo.locate.locate", locate)
    wave = speech(5000)
    fetched = EnhSpeech2Text.from_pretrained("some/tag", "cache", **GREEDY)
    joint = EnhSpeech2Text(**files(models, "enh_asr", "joint"), **GREEDY)
    assert fetched(wave)[0] == joint(wave)[0]
    pair = EnhSpeech2Text.from_pretrained(asr_model="a.zip", enh_model="e", **GREEDY)
    both = {**files(models, "asr", "ctc"), **files(models, "enh", "enh"), **GREEDY}
    assert pair(wave)[0] == EnhSpeech2Text(**both)(wave)[0]
    assert asked == [
        ("some/tag", "enh_asr", "cache"),
        ("a.zip", "asr", None),
        ("e", "enh", None),
    ]


class Sure:
    """Stands for a recogniser: its text is a number, and it is the surest of what it is told to."""

    def __init__(self, model, levels):
        self.model, self.levels, self.heard = model, levels, []

    def __call__(self, speech, lengths):
        self.heard.append(speech)
        tried = len(self.heard) - 1
        return [([Hypothesis(str(tried), ["a"], [2], level)], None) for level in self.levels[tried]]


def test_the_recogniser_chooses_the_share_of_each_utterance(models, joint, monkeypatch):
    model = EnhSpeech2Text(**files(models, "enh_asr", "joint"), **GREEDY, observation_adding="auto")
    # of three utterances the first is surest enhanced, the second mixed, the third noisy
    recogniser = Sure(model, [[-1, -5, -5], [-5, -1, -5], [-5, -5, -1]])
    monkeypatch.setattr(model, "recognise", recogniser)
    waves = [speech(6000), speech(5000), speech(4000)]
    padded = torch.nn.utils.rnn.pad_sequence(list(map(torch.from_numpy, waves)), batch_first=True)
    found = model.batch(padded, [6000, 5000, 4000])
    assert [one.text for one in found] == ["0", "1", "2"] and len(recogniser.heard) == len(SHARES)
    enhanced = [one.enhanced for one in joint.batch(padded, [6000, 5000, 4000])]
    for share, one, wave, alone in zip(SHARES, found, waves, enhanced):
        np.testing.assert_allclose(one.enhanced, (1 - share) * alone + share * wave, atol=1e-6)


@pytest.mark.parametrize("gain, kept", [(0, "2"), (0.09, "2"), (0.11, "0")])
def test_enhanced_speech_is_kept_where_it_is_clearly_surer(models, monkeypatch, gain, kept):
    model = EnhSpeech2Text(**files(models, "enh_asr", "joint"), **GREEDY, observation_adding="auto")
    monkeypatch.setattr(model, "recognise", Sure(model, [[gain - 1], [-1], [-1]]))
    assert model(speech(4000))[0] == kept


def test_a_text_that_repeats_itself_is_kept_only_where_all_do(models, monkeypatch):
    model = EnhSpeech2Text(**files(models, "enh_asr", "joint"), **GREEDY, observation_adding="auto")
    loop = "of the " * 30
    for texts, kept in [((loop, "a b", "a c"), "a b"), ((loop, loop + "a", loop), loop)]:
        found = iter([Hypothesis(text, [], [], -1.0 - i) for i, text in enumerate(texts)])
        monkeypatch.setattr(model, "recognise", lambda *_: [([next(found)], None)])
        assert model(speech(4000))[0] == kept


def test_confidence_is_a_mean_over_tokens_or_a_sum_over_equal_frames(models, joint):
    long = Hypothesis("", ["a"] * 3, [2] * 3, -4.0)
    assert joint.greedy and joint.confidence(long) == -4.0
    attention = EnhSpeech2Text(**files(models, "enh_asr", "joint"), beam_size=1)
    assert attention.confidence(long) == -1.0


def test_without_an_se_model_there_is_nothing_to_choose(models, joint):
    options = {**files(models, "enh_asr", "joint"), **GREEDY, "enhance": False}
    model = EnhSpeech2Text(**options, observation_adding="auto")
    assert model(speech(4000)) == EnhSpeech2Text(**options)(speech(4000))
