# SPDX-License-Identifier: Apache-2.0
"""Decoding of sets with tiny random models: batches, options, resuming, the command."""

import json
import re
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
import yaml
from espnet2.bin import asr_inference, enh_inference
from espnet2.tasks.enh_s2t import EnhS2TTask
from tiny_models import FS, GREEDY, files, joint_options, save_model, speech

from espnet_cbpc.bin import enh_asr_inference
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table, write_data_dir
from espnet_cbpc.inference.decode import decode_batch, decode_sets
from espnet_cbpc.inference.decoded_utterance import Hypothesis
from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text
from espnet_cbpc.inference.inference_options import sampling_rates
from espnet_cbpc.inference.set_decoder import SetDecoder, plan_batches
from espnet_cbpc.model_zoo.decoding_config import DecodingConfig
from espnet_cbpc.utils.cli import UserError


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
        ("beam: 3", "unknown option(s) beam: use ctc_greedy, beam_size, ctc_weight"),
        ("beam_size: 0", "beam_size is 0: must be a whole number from 1 to inf"),
        ("beam_size: 2.5", "beam_size is 2.5: must be a whole number"),
        ("ctc_weight: 1.5", "ctc_weight is 1.5: must be a number from 0 to 1"),
        ("beam_size: true", "beam_size is True: must be a whole number"),
        ("ctc_greedy: 1", "ctc_greedy is 1: must be true or false"),
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
        "utt2spk": dict.fromkeys(keys, "spk"),
        "text": dict.fromkeys(keys, "a b"),
        "utt2num_samples": {key: str(n) for key, n in zip(keys, LENGTHS)},
        "utt2snr": dict.fromkeys(keys, "5"),
    }
    write_data_dir(directory, tables)
    return directory


def decoder(data_dir, out, settings=None):
    return SetDecoder(data_dir, out, settings or {}, FS, batch_size=2, max_padding=0.1)


def run(set_decoder, model):
    return decode_sets([set_decoder], partial(decode_batch, model))


def test_a_set_is_decoded(data_dir, tmp_path, joint):
    out = tmp_path / "out"
    speed = run(decoder(data_dir, out), joint)
    assert speed.speech == pytest.approx(sum(LENGTHS) / FS)
    lines = (out / "text").read_text().splitlines()
    assert [line.split()[0] for line in lines] == [f"s{i}" for i in range(6)]
    alone = joint(speech(2000, 5))
    assert lines[5] == f"s5 {alone[0]}".strip()
    enhanced = DataDir.read(out / "enhanced")
    assert enhanced.tables["spk1.scp"] == enhanced.tables["wav.scp"]
    assert enhanced.tables["utt2snr"] == dict.fromkeys(enhanced.ids, "5")
    wave, fs = soundfile.read(enhanced.tables["wav.scp"]["s5"], dtype="float32")
    np.testing.assert_array_equal(wave, alone[1])
    assert fs == FS and soundfile.info(enhanced.tables["wav.scp"]["s5"]).subtype == "FLOAT"


def test_texts_do_not_depend_on_the_batch_size(data_dir, tmp_path, joint):
    for size in (1, 4):
        run(SetDecoder(data_dir, tmp_path / str(size), {}, FS, size), joint)
    assert (tmp_path / "1/text").read_bytes() == (tmp_path / "4/text").read_bytes()
    assert len((tmp_path / "1/text").read_text()) > 60


def test_speech_without_text_is_told(data_dir, tmp_path, joint, caplog, monkeypatch):
    monkeypatch.setattr(type(joint), "_text", lambda self, tokens: "")
    set_decoder = decoder(data_dir, tmp_path / "out")
    run(set_decoder, joint)
    ids = sorted(set_decoder.lengths)
    assert (
        f"{len(ids)} of {len(ids)} utterances are not silent, but no text was recognised"
        in caplog.text
    )
    assert ids[0] in caplog.text


def test_without_se_there_is_no_enhanced_speech(data_dir, tmp_path, models):
    model = EnhSpeech2Text(**files(models, "asr", "ctc"), **GREEDY)
    run(decoder(data_dir, tmp_path / "out"), model)
    assert (tmp_path / "out" / "text").exists()
    assert not (tmp_path / "out" / "enhanced").exists()


class Killed(BaseException):
    """Stands for the end of the process."""


class Dying:
    """A model that does ``batches`` batches, noting the lengths, and then dies."""

    def __init__(self, model, batches):
        self.model, self.left, self.seen = model, batches, []
        self.enh_model = model.enh_model
        self.takes_several_channels = False

    def batch(self, waves, lengths, enhanced=None):
        if not self.left:
            raise Killed
        self.left -= 1
        self.seen += lengths
        return self.model.batch(waves, lengths)


def test_a_killed_run_goes_on(data_dir, tmp_path, joint):
    out, whole = tmp_path / "out", tmp_path / "whole"
    run(decoder(data_dir, whole), joint)
    with pytest.raises(Killed):
        run(decoder(data_dir, out), Dying(joint, 2))
    assert not (out / "text").exists()
    with open(out / "decoding.jsonl", "a") as f:
        f.write('{"s5": "half a li')
    second = Dying(joint, 99)
    run(decoder(data_dir, out), second)
    assert sorted(second.seen) == [2000, 3000, 3100]
    assert (out / "text").read_bytes() == (whole / "text").read_bytes()
    assert decoder(data_dir, out).is_whole
    for line in (out / "decoding.jsonl").read_text().splitlines():
        json.loads(line)


def test_other_settings_begin_anew(data_dir, tmp_path, joint):
    out = tmp_path / "out"
    run(decoder(data_dir, out, {"beam_size": 1}), joint)
    (out / "enhanced" / "stale").write_text("")
    changed = decoder(data_dir, out, {"beam_size": 2})
    assert not changed.is_whole
    model = Dying(joint, 99)
    run(changed, model)
    assert sorted(model.seen) == sorted(LENGTHS)
    assert not (out / "enhanced" / "stale").exists()


@pytest.mark.parametrize(
    "samples, fs, message",
    [
        (speech(2000), 16000, "s5: .*s5.wav: 16000 Hz, but --fs is 8000: format the data first"),
        (speech(1999), FS, "s5: .*s5.wav: 1999 samples, but utt2num_samples says 2000"),
        (np.full(2000, np.nan), FS, "s5.wav: audio has samples that are not finite"),
    ],
)
def test_bad_audio_is_named(data_dir, tmp_path, joint, samples, fs, message):
    soundfile.write(tmp_path / "wav/s5.wav", samples, fs, subtype="FLOAT")
    with pytest.raises(UserError, match=message):
        run(decoder(data_dir, tmp_path / "out"), joint)
    assert not (tmp_path / "out" / "text").exists()


def test_an_utterance_that_is_too_short_has_no_text_and_is_told(data_dir, tmp_path, joint, caplog):
    soundfile.write(tmp_path / "wav/s5.wav", speech(50), FS, subtype="FLOAT")
    (data_dir / "utt2num_samples").unlink()
    out = tmp_path / "out"
    run(decoder(data_dir, out), joint)
    assert "1 of 6 utterances are too short for the models, and have no text (s5)" in caplog.text
    text = read_table(out / "text", allow_empty=True)
    assert text["s5"] == "" and all(text[f"s{i}"] for i in range(5))
    wave, _ = soundfile.read(read_table(out / "enhanced" / "spk1.scp")["s5"], dtype="float32")
    np.testing.assert_array_equal(wave, speech(50))  # as it came


def test_a_failure_on_a_whole_utterance_is_an_error(data_dir, tmp_path, joint, monkeypatch):
    def fail(self, speech, lengths, enhanced=None):
        raise RuntimeError("no memory")

    monkeypatch.setattr(type(joint), "batch", fail)
    monkeypatch.setattr("espnet_cbpc.inference.decode.SHORT", 0.1)
    with pytest.raises(UserError, match="the models failed on s. of .*no memory.*cut it if memory"):
        run(decoder(data_dir, tmp_path / "out"), joint)


def test_what_is_decoded_stays_when_utterances_are_taken_out(data_dir, tmp_path, joint, models):
    out = tmp_path / "out"
    run(decoder(data_dir, out), joint)
    whole = read_table(out / "text", allow_empty=True)
    data = DataDir.read(data_dir)
    less = {n: {u: v for u, v in t.items() if u != "s5"} for n, t in data.tables.items()}
    write_data_dir(tmp_path / "less", {n: t for n, t in less.items() if n != "spk2utt"})
    fewer = decoder(tmp_path / "less", out)
    assert not fewer.is_whole  # text has one that is not asked for
    decode_sets([fewer], lambda batch: pytest.fail("decoded again"))
    text = read_table(out / "text", allow_empty=True)
    assert text == {u: t for u, t in whole.items() if u != "s5"} and fewer.is_whole


def test_a_damaged_line_of_the_record_is_decoded_again(data_dir, tmp_path, joint, caplog):
    out = tmp_path / "out"
    run(decoder(data_dir, out), joint)
    expected = (out / "text").read_bytes()
    record = out / "decoding.jsonl"
    lines = record.read_bytes().splitlines(keepends=True)
    lines[2] = b"\xff" + lines[2][: len(lines[2]) // 2] + b"\n"
    record.write_bytes(b"".join(lines))
    again = decoder(data_dir, out)
    assert "line 3 is damaged, decoding it again" in caplog.text
    assert 0 < len(again.record.results) < 6
    run(again, joint)
    assert (out / "text").read_bytes() == expected


def test_an_output_directory_that_is_a_file(data_dir, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="out: is a file: give another --output_dir"):
        decoder(data_dir, tmp_path / "out")


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
    assert "test_a: already complete, skipped" in caplog.text
    assert text.stat().st_mtime_ns == written
    enh_asr_inference.main([*command, "--overwrite"])
    assert text.stat().st_mtime_ns > written


def test_command_refuses_sets_of_one_name(data_dir, tmp_path):
    command = ["--data_dirs", str(data_dir), str(data_dir), f"--output_dir={tmp_path / 'exp'}"]
    with pytest.raises(UserError, match="several sets are named test_a: rename them"):
        enh_asr_inference.main(command)


@pytest.mark.parametrize("search", [{"beam_size": 1, "ctc_weight": 1.0}, {"beam_size": 3}])
def test_results_are_those_of_stock_commands(data_dir, tmp_path, models, search):
    search = {"ctc_weight": 0.3, "maxlenratio": 0.4, **search}
    if search["ctc_weight"] < 1:
        save_model(tmp_path, "joint", EnhS2TTask, joint_options(0.3))
    folder = models if search["ctc_weight"] == 1 else tmp_path
    config, model = files(folder, "x", "joint").values()
    stock = tmp_path / "stock"
    common = ["--enh_s2t_task=true", "--num_workers=0"]
    data = f"--data_path_and_name_and_type={data_dir}/wav.scp"
    asr_inference.main(
        [f"--output_dir={stock}", f"{data},speech,sound", *common]
        + [f"--asr_train_config={config}", f"--asr_model_file={model}"]
        + [f"--{name}={value}" for name, value in search.items()]
    )
    enh_inference.main(
        [f"--output_dir={stock}", f"{data},speech_mix,sound", *common, f"--fs={FS}"]
        + [f"--train_config={config}", f"--model_file={model}"]
    )
    (tmp_path / "decode.yaml").write_text(yaml.safe_dump(search))
    enh_asr_inference.main(
        [f"--enh_asr_train_config={config}", f"--enh_asr_model_file={model}", "--nj=2"]
        + [f"--config={tmp_path / 'decode.yaml'}", f"--data_dirs={data_dir}"]
        + [f"--output_dir={tmp_path / 'exp'}"]
    )
    ours = tmp_path / "exp" / "test_a"
    texts = read_table(stock / "1best_recog/text_spk1", allow_empty=True)
    assert read_table(ours / "text", allow_empty=True) == texts
    assert len(set(texts.values())) > 3
    for key, path in read_table(stock / "spk1.scp").items():
        theirs, mine = soundfile.read(path)[0], soundfile.read(ours / f"enhanced/wavs/{key}.wav")[0]
        np.testing.assert_allclose(mine, theirs, atol=2**-15)  # theirs has 16 bits


def test_several_processes_several_hypotheses_token_times(data_dir, tmp_path, models, caplog):
    command = [f"--{key}={value}" for key, value in files(models, "enh_asr", "joint").items()]
    (tmp_path / "decode.yaml").write_text("beam_size: 4\nctc_weight: 1.0\n")
    command += [f"--config={tmp_path / 'decode.yaml'}", f"--data_dirs={data_dir}"]
    command += ["--nbest=2", "--token_times"]
    caplog.set_level("INFO")
    for nj in (1, 2):
        enh_asr_inference.main([*command, f"--nj={nj}", f"--output_dir={tmp_path / str(nj)}"])
    assert len(re.findall(r"all sets: real-time factor", caplog.text)) == 2
    one, two = (tmp_path / nj / "test_a" for nj in "12")
    written = [sorted(str(p.relative_to(d)) for p in d.rglob("*")) for d in (one, two)]
    assert written[0] == written[1]
    for name in ("text", "token.ctm", "1best_recog/text", "2best_recog/token", "2best_recog/score"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    best, second = (read_table(one / f"{n}best_recog/score") for n in (1, 2))
    assert best.keys() == second.keys() == {f"s{i}" for i in range(6)}
    assert all(float(best[key]) >= float(second[key]) for key in best)
    tokens = read_table(one / "1best_recog/token")
    lines = [line.split() for line in (one / "token.ctm").read_text().splitlines()]
    for key, samples in zip(sorted(best), LENGTHS):
        own = [line for line in lines if line[0] == key]
        assert " ".join(line[4] for line in own) == tokens[key]
        starts = [float(line[2]) for line in own]
        assert starts == sorted(starts) and starts[-1] + float(own[-1][3]) <= samples / FS + 1e-3
    enh_asr_inference.main([*command, "--nbest=1", f"--output_dir={tmp_path / '1'}"])
    assert not list(one.glob("*best_recog"))


@pytest.mark.parametrize(
    "options, message",
    [
        (["--asr_train_config=no/such.yaml"], "no/such.yaml: no such file"),
        ([], "no model given"),
        (["--nbest=0", "JOINT"], "--nbest: nbest is 0: must be a whole number from 1"),
        (
            ["--observation_adding=2", "JOINT"],
            "--observation_adding 2.0: must be from 0 to 1, or auto",
        ),
        (["--num_threads=0", "JOINT"], "--num_threads 0: must be at least 1"),
        (["--nj=0", "JOINT"], "--nj 0: must be at least 1"),
        (["--ngpu=1", "JOINT"], "--ngpu 1: no usable GPU"),
    ],
)
def test_wrong_options_are_named(data_dir, tmp_path, models, options, message):
    if "--ngpu=1" in options and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    model = [f"--{key}={value}" for key, value in files(models, "enh_asr", "joint").items()]
    options = options[:-1] + model if "JOINT" in options else options
    with pytest.raises(UserError, match=re.escape(message)):
        enh_asr_inference.main([*options, f"--data_dirs={data_dir}", f"--output_dir={tmp_path}"])


@pytest.mark.parametrize(
    "content, given, rates",
    [
        ("{}", {}, (16000, 16000)),
        ("{}", {"fs": 8000}, (8000, 8000)),
        ("frontend_conf:", {}, (16000, 16000)),
        ("frontend_conf: {fs: 8k}", {}, (8000, 8000)),
        ("frontend_conf: {fs: 16k}", {"fs": 8000}, (8000, 16000)),
        ("joint_conf: {enh_fs: 8000, asr_fs: 16000}", {}, (8000, 16000)),
        ("frontend_conf: {fs: 16k}", {"fs": 8000, "asr_fs": 8000}, (8000, 8000)),
    ],
)
def test_rates_of_a_configuration(tmp_path, content, given, rates):
    path = tmp_path / "config.yaml"
    path.write_text(content)
    assert sampling_rates(path, **given) == rates


def test_rate_that_is_none(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("frontend_conf: {fs: fast}")
    with pytest.raises(UserError, match="config.yaml: frontend_conf: fs is not a sampling rate"):
        sampling_rates(path)


def test_models_may_be_anywhere(data_dir, tmp_path, models, monkeypatch):
    config, checkpoint = files(models, "enh_asr", "joint").values()

    def locate(name, kind, cachedir):
        assert (name, kind, cachedir) == ("some/tag", "enh_asr", "cache")
        return SimpleNamespace(config=config, checkpoint=checkpoint)

    monkeypatch.setattr("espnet_cbpc.model_zoo.locate.locate", locate)
    (tmp_path / "decode.yaml").write_text(yaml.safe_dump(GREEDY))
    command = ["--model=some/tag", "--cachedir=cache", f"--config={tmp_path / 'decode.yaml'}"]
    command += [f"--data_dirs={data_dir}", f"--output_dir={tmp_path / 'exp'}"]
    enh_asr_inference.main(command)
    assert (tmp_path / "exp/test_a/text").exists()
    with pytest.raises(UserError, match="--enh_asr_model_file, --enh_asr_train_config: the model"):
        command += [f"--enh_asr_train_config={config}", f"--enh_asr_model_file={checkpoint}"]
        enh_asr_inference.main(command)


@pytest.mark.parametrize("share", ["0.0", "0.5"])
def test_speech_that_another_tool_enhanced_takes_the_place_of_an_se_model(
    data_dir, tmp_path, models, share
):
    mixed, wavs = {}, read_table(data_dir / "wav.scp")
    folder = tmp_path / "tool" / data_dir.name
    folder.mkdir(parents=True)
    for utterance, path in wavs.items():
        noisy, _ = soundfile.read(path, dtype="float32")
        enhanced = np.sin(noisy).astype(np.float32)
        soundfile.write(folder / f"{utterance}.wav", enhanced[:-7], FS, subtype="FLOAT")
        enhanced[-7:] = 0
        mixed[utterance] = enhanced + np.float32(share) * (noisy - enhanced)
    asr = files(models, "asr", "ctc")
    command = [f"--{key}={value}" for key, value in asr.items()]
    command += [f"--data_dirs={data_dir}", f"--fs={FS}", f"--config={greedy(tmp_path)}"]
    command += [f"--enhanced={tmp_path / 'tool'}", f"--output_dir={tmp_path / 'out'}"]
    enh_asr_inference.main([*command, f"--observation_adding={share}"])
    out, alone = tmp_path / "out" / data_dir.name, EnhSpeech2Text(**asr, **GREEDY, fs=FS)
    texts = read_table(out / "text", allow_empty=True)
    for utterance, path in read_table(out / "enhanced" / "spk1.scp").items():
        heard, _ = soundfile.read(path, dtype="float32")
        np.testing.assert_allclose(heard, mixed[utterance], atol=1e-6)
        assert texts[utterance] == alone(heard)[0]
    assert texts.keys() == wavs.keys()


def test_the_recogniser_chooses_from_what_another_tool_enhanced(models, monkeypatch):
    model = EnhSpeech2Text(**files(models, "asr", "ctc"), **GREEDY, observation_adding="auto")
    heard = []

    def recognise(wave, lengths):
        heard.append(wave)
        best = len(heard) == 2
        return [([Hypothesis("second" if best else "", [], [], -1.0 + best)], None)]

    monkeypatch.setattr(model, "recognise", recognise)
    noisy, enhanced = speech(4000)[None], np.zeros((1, 4000), np.float32)
    (found,) = model.batch(noisy, [4000], enhanced)
    assert found.text == "second" and len(heard) == 3
    np.testing.assert_allclose(found.enhanced, noisy[0] / 2, atol=1e-6)


def test_enhanced_speech_and_an_se_model_exclude_each_other(data_dir, tmp_path, models):
    model = [f"--{key}={value}" for key, value in files(models, "enh_asr", "joint").items()]
    command = [f"--data_dirs={data_dir}", f"--output_dir={tmp_path / 'out'}", "--enhanced=x"]
    with pytest.raises(UserError, match="--enhanced replaces the SE model"):
        enh_asr_inference.main([*command, *model])


def greedy(folder):
    """Write the options of a greedy search; returns their file."""
    path = folder / "greedy.yaml"
    path.write_text(yaml.safe_dump(GREEDY))
    return path
