"""One-pass inference on tiny random models: EnhSpeech2Text, decoding of sets, the command."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from espnet2.bin.asr_inference import Speech2Text
from espnet2.tasks.asr import ASRTask
from espnet2.tasks.enh import EnhancementTask
from espnet2.tasks.enh_s2t import EnhS2TTask

from espnet_cbpc.bin import enh_asr_inference
from espnet_cbpc.data.kaldi_dir import DataDir, write_data_dir
from espnet_cbpc.enh_asr.decode import SetDecoder, plan_batches
from espnet_cbpc.enh_asr.decoding_config import DecodingConfig
from espnet_cbpc.enh_asr.inference import EnhSpeech2Text
from espnet_cbpc.utils.cli import UserError

FS = 8000
GREEDY = {"beam_size": 1, "ctc_weight": 1.0}
TOKENS = ["<blank>", "<unk>", "<space>", "a", "b", "c", "<sos/eos>"]
STFT = {"n_fft": 128, "hop_length": 64}
CONFORMER = {
    "encoder": "conformer",
    "encoder_conf": {
        "output_size": 16,
        "attention_heads": 2,
        "linear_units": 16,
        "num_blocks": 1,
        "cnn_module_kernel": 3,
        "input_layer": "conv2d2",
    },
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 1},
}
RNN = {
    "encoder": "vgg_rnn",
    "encoder_conf": {"num_layers": 1, "hidden_size": 8, "output_size": 16},
}
ENH = {
    "encoder": "stft",
    "encoder_conf": STFT,
    "separator": "rnn",
    "separator_conf": {"num_spk": 1, "rnn_type": "blstm", "layer": 1, "unit": 8},
    "decoder": "stft",
    "decoder_conf": STFT,
}
CRITERIA = [{"name": "si_snr", "conf": {}, "wrapper": "fixed_order", "wrapper_conf": {"weight": 1}}]


def asr_options(encoder, ctc_weight):
    return {
        **encoder,
        "token_list": TOKENS,
        "token_type": "char",
        "frontend": "default",
        "frontend_conf": {"fs": FS, "n_mels": 16, **STFT},
        "normalize": "utterance_mvn",
        "specaug": None,
        "model_conf": {"ctc_weight": ctc_weight},
    }


def joint_options():
    options = asr_options(CONFORMER, 1.0)
    options["asr_model_conf"] = options.pop("model_conf")
    for name in ("encoder", "decoder"):
        for key in (name, f"{name}_conf"):
            options[f"asr_{key}"] = options.pop(key)
    options.update({f"enh_{key}": value for key, value in ENH.items()})
    return {**options, "enh_criterions": CRITERIA, "subtask_series": ["enh", "asr"], "cbpc": {}}


def save_model(folder, name, task, options, extra=None):
    """Write the configuration and the random parameters of a model as its training would."""
    args = task.get_parser().parse_args(["--output_dir", str(folder)])
    vars(args).update(options)
    torch.manual_seed(0)
    model = task.build_model(args)
    for parameter in model.parameters():  # for varied texts the outputs must differ by frame
        if parameter.dim() > 1:
            parameter.data.mul_(3)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(vars(args)))
    torch.save({**model.state_dict(), **(extra or {})}, folder / f"{name}.pth")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Return the folder of the tiny models."""
    folder = tmp_path_factory.mktemp("models")
    save_model(folder, "ctc", ASRTask, asr_options(CONFORMER, 1.0))
    save_model(folder, "rnn", ASRTask, asr_options({**CONFORMER, **RNN}, 1.0))
    save_model(folder, "hybrid", ASRTask, asr_options(CONFORMER, 0.3))
    save_model(folder, "enh", EnhancementTask, {**ENH, "criterions": CRITERIA})
    extra = {"tokenizer.centroids": torch.zeros(4, 16)}
    save_model(folder, "joint", EnhS2TTask, joint_options(), extra)
    return folder


def files(folder, kind, name):
    """Return the two options that give a model of this kind."""
    config, model = folder / f"{name}.yaml", folder / f"{name}.pth"
    return {f"{kind}_train_config": str(config), f"{kind}_model_file": str(model)}


@pytest.fixture(scope="module")
def joint(models):
    return EnhSpeech2Text(**files(models, "enh_asr", "joint"), **GREEDY)


def speech(samples, seed=0):
    envelope = 0.3 + np.sin(np.arange(samples) / 500 + seed) ** 2
    noise = np.random.default_rng(seed).standard_normal(samples)
    return (0.1 * envelope * noise).astype(np.float32)


def padded(waves):
    lengths = [len(wave) for wave in waves]
    # padding that is loud, as nothing of it may be heard
    return (
        np.stack([np.pad(w, (0, max(lengths) - len(w)), constant_values=0.9) for w in waves]),
        lengths,
    )


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
    for wave, (text, tokens, enhanced) in zip(waves, ours.batch(*padded(waves))):
        expected = stock(wave)[0]
        assert (text, tokens) == expected[:2]
        assert enhanced is None
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
    assert len({text for text, _, _ in results}) > 1
    for wave, (text, _, enhanced) in zip(waves, results):
        alone_text, alone_enhanced = model(wave)
        assert text == alone_text
        if name == "joint":
            np.testing.assert_allclose(enhanced, alone_enhanced, atol=1e-5)


def test_padding_reaches_the_last_frames_only(joint):
    waves = [speech(4800, 0), speech(5000, 1), speech(4900, 2)]  # not in order of length
    results = joint.batch(*padded(waves))
    assert results[1][0] == joint(waves[1])[0]
    for wave, (_, _, enhanced) in zip(waves, results):
        alone = joint(wave)[1]
        assert len(enhanced) == len(wave)
        # the mask of the SE is a BLSTM over the utterance, whose ends alone have seen the padding
        error = np.abs(enhanced - alone)
        assert error[: len(wave) // 2].max() < 0.01 * np.abs(alone).max()


def test_what_lies_beyond_the_length_is_not_read(joint):
    waves = [speech(4800, 0), speech(5000, 1)]
    loud, lengths = padded(waves)
    quiet = np.where(np.arange(5000) < np.array(lengths)[:, None], loud, 0)
    for a, b in zip(joint.batch(loud, lengths), joint.batch(quiet, lengths)):
        assert a[:2] == b[:2]
        np.testing.assert_array_equal(a[2], b[2])


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


@pytest.mark.parametrize("max_padding, full", [(0.0, False), (0.1, True)])
def test_batches_are_of_similar_length(max_padding, full):
    drawn = np.random.default_rng(0).integers(1, 999, 200)
    lengths = {f"u{i:03d}": int(n) for i, n in enumerate(drawn)}
    batches = plan_batches(lengths, 8, max_padding)
    assert sorted(u for batch in batches for u in batch) == sorted(lengths)
    assert (max(map(len, batches)) == 8) == full
    for batch in batches:
        assert min(lengths[u] for u in batch) >= (1 - max_padding) * lengths[batch[0]]
        assert lengths[batch[0]] == max(lengths[u] for u in batch)
    assert list(map(len, plan_batches(dict.fromkeys("abcde", 7), 2))) == [2, 2, 1]


@pytest.mark.parametrize(
    "content, message",
    [
        ("beam: 3", "unknown option(s) beam: use beam_size, ctc_weight"),
        ("beam_size: 0", "beam_size is 0: must be a whole number from 1 to inf"),
        ("beam_size: 2.5", "beam_size is 2.5: must be a whole number"),
        ("ctc_weight: 1.5", "ctc_weight is 1.5: must be a number from 0 to 1"),
        ("penalty: high", "penalty is 'high': must be a number"),
        ("- beam_size", "must hold 'option: value' lines"),
        ("a: [", "cannot be read as YAML"),
    ],
)
def test_decoding_options_are_checked(tmp_path, content, message):
    path = tmp_path / "decode.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=re.escape(f"{path}: {message}")):
        DecodingConfig.read(path)


def test_decoding_options_are_read(tmp_path):
    path = tmp_path / "decode.yaml"
    path.write_text("beam_size: 5\nctc_weight: 1\n# comment\n")
    assert DecodingConfig.read(path) == DecodingConfig(beam_size=5, ctc_weight=1)
    path.write_text("")
    assert DecodingConfig.read(path) == DecodingConfig()


LENGTHS = [5000, 3000, 4900, 4950, 3100, 2000]  # in batches of 2: 0 3, 2, 4 1, 5


@pytest.fixture
def data_dir(tmp_path):
    directory = tmp_path / "data" / "test_a"
    keys = [f"s{i}" for i in range(len(LENGTHS))]
    (tmp_path / "wav").mkdir()
    for seed, (key, samples) in enumerate(zip(keys, LENGTHS)):
        soundfile.write(tmp_path / "wav" / f"{key}.wav", speech(samples, seed), FS, subtype="FLOAT")
    tables = {
        "wav.scp": {key: str(tmp_path / "wav" / f"{key}.wav") for key in keys},
        "utt2spk": {key: "spk" for key in keys},
        "text": {key: "a b" for key in keys},
        "utt2num_samples": {key: str(n) for key, n in zip(keys, LENGTHS)},
        "utt2snr": {key: "5" for key in keys},
    }
    write_data_dir(directory, tables)
    return directory


def decoder(data_dir, out, settings=None):
    return SetDecoder(data_dir, out, settings or {}, FS, batch_size=2, max_padding=0.1)


def test_a_set_is_decoded(data_dir, tmp_path, joint):
    out = tmp_path / "out"
    speed = decoder(data_dir, out).run(joint)
    assert speed.speech == pytest.approx(sum(LENGTHS) / FS)
    lines = (out / "text").read_text().splitlines()
    assert [line.split()[0] for line in lines] == [f"s{i}" for i in range(6)]
    alone = joint(speech(2000, 5))
    assert lines[5] == f"s5 {alone[0]}".strip()
    enhanced = DataDir.read(out / "enhanced")
    assert enhanced.tables["spk1.scp"] == enhanced.tables["wav.scp"]
    assert enhanced.tables["utt2snr"] == {key: "5" for key in enhanced.ids}
    wave, fs = soundfile.read(enhanced.tables["wav.scp"]["s5"], dtype="float32")
    np.testing.assert_array_equal(wave, alone[1])
    assert fs == FS and soundfile.info(enhanced.tables["wav.scp"]["s5"]).subtype == "FLOAT"


def test_texts_do_not_depend_on_the_batch_size(data_dir, tmp_path, joint):
    for size in (1, 4):
        SetDecoder(data_dir, tmp_path / str(size), {}, FS, size).run(joint)
    assert (tmp_path / "1/text").read_bytes() == (tmp_path / "4/text").read_bytes()
    assert len((tmp_path / "1/text").read_text()) > 60


def test_without_se_there_is_no_enhanced_speech(data_dir, tmp_path, models):
    model = EnhSpeech2Text(**files(models, "asr", "ctc"), **GREEDY)
    decoder(data_dir, tmp_path / "out").run(model)
    assert (tmp_path / "out" / "text").exists()
    assert not (tmp_path / "out" / "enhanced").exists()


class Killed(BaseException):
    """Stands for the end of the process."""


class Dying:
    """A model that does ``batches`` batches, noting the lengths, and then dies."""

    def __init__(self, model, batches):
        self.model, self.left, self.seen = model, batches, []
        self.enh_model = model.enh_model

    def batch(self, waves, lengths):
        if not self.left:
            raise Killed
        self.left -= 1
        self.seen += lengths
        return self.model.batch(waves, lengths)


def test_a_killed_run_goes_on(data_dir, tmp_path, joint):
    out, whole = tmp_path / "out", tmp_path / "whole"
    decoder(data_dir, whole).run(joint)
    with pytest.raises(Killed):
        decoder(data_dir, out).run(Dying(joint, 2))
    assert not (out / "text").exists()
    with open(out / "decoding.jsonl", "a") as f:
        f.write('{"s5": "half a li')
    second = Dying(joint, 99)
    decoder(data_dir, out).run(second)
    assert sorted(second.seen) == [2000, 3000, 3100]
    assert (out / "text").read_bytes() == (whole / "text").read_bytes()
    assert decoder(data_dir, out).is_whole
    for line in (out / "decoding.jsonl").read_text().splitlines():
        json.loads(line)


def test_other_settings_begin_anew(data_dir, tmp_path, joint):
    out = tmp_path / "out"
    decoder(data_dir, out, {"beam_size": 1}).run(joint)
    (out / "enhanced" / "stale").write_text("")
    changed = decoder(data_dir, out, {"beam_size": 2})
    assert not changed.is_whole
    model = Dying(joint, 99)
    changed.run(model)
    assert sorted(model.seen) == sorted(LENGTHS)
    assert not (out / "enhanced" / "stale").exists()


@pytest.mark.parametrize(
    "samples, fs, message",
    [
        (speech(2000), 16000, "s5: .*s5.wav: 16000 Hz where --fs is 8000: format the data first"),
        (speech(1999), FS, "s5: .*s5.wav: 1999 samples where utt2num_samples says 2000"),
        (np.full(2000, np.nan), FS, "s5.wav: audio has samples that are not finite"),
    ],
)
def test_bad_audio_is_named(data_dir, tmp_path, joint, samples, fs, message):
    soundfile.write(tmp_path / "wav/s5.wav", samples, fs, subtype="FLOAT")
    with pytest.raises(UserError, match=message):
        decoder(data_dir, tmp_path / "out").run(joint)
    assert not (tmp_path / "out" / "text").exists()


def test_too_short_utterance_is_named(data_dir, tmp_path, joint):
    soundfile.write(tmp_path / "wav/s5.wav", speech(50), FS)
    (data_dir / "utt2num_samples").unlink()
    message = r"the models failed on 1 utterance\(s\) \(s5\) of 50 to 50 samples: .*too short"
    with pytest.raises(UserError, match=message):
        decoder(data_dir, tmp_path / "out").run(joint)


def test_command(data_dir, tmp_path, models, caplog):
    config = tmp_path / "decode.yaml"
    config.write_text(yaml.safe_dump(GREEDY))
    command = [f"--{key}={value}" for key, value in files(models, "enh_asr", "joint").items()]
    command += [f"--config={config}", f"--data_dirs={data_dir}", f"--output_dir={tmp_path / 'exp'}"]
    command += ["--fs=8k", "--batch_size=4"]
    caplog.set_level("INFO")
    enh_asr_inference.main(command)
    assert re.search(r"all sets: real-time factor \d\.\d+ \(2\.9 s of speech", caplog.text)
    text = tmp_path / "exp" / "test_a" / "text"
    written = text.stat().st_mtime_ns
    enh_asr_inference.main(command)
    assert "test_a: whole already, skipped" in caplog.text
    assert text.stat().st_mtime_ns == written
    enh_asr_inference.main([*command, "--overwrite"])
    assert text.stat().st_mtime_ns > written


def test_command_refuses_sets_of_one_name(data_dir, tmp_path):
    command = ["--data_dirs", str(data_dir), str(data_dir), f"--output_dir={tmp_path / 'exp'}"]
    with pytest.raises(UserError, match="several sets are named test_a: rename them"):
        enh_asr_inference.main(command)
