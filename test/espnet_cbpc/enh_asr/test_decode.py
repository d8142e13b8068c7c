"""Decoding of sets with tiny random models: batches, options, resuming, the command."""

import json
import re
from functools import partial

import numpy as np
import pytest
import soundfile
import yaml
from tiny_models import FS, GREEDY, files, speech

from espnet_cbpc.bin import enh_asr_inference
from espnet_cbpc.data.kaldi_dir import DataDir, read_table, write_data_dir
from espnet_cbpc.enh_asr.decode import SetDecoder, decode_batch, decode_sets, plan_batches
from espnet_cbpc.enh_asr.decoding_config import DecodingConfig
from espnet_cbpc.enh_asr.inference import EnhSpeech2Text
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
    assert enhanced.tables["utt2snr"] == {key: "5" for key in enhanced.ids}
    wave, fs = soundfile.read(enhanced.tables["wav.scp"]["s5"], dtype="float32")
    np.testing.assert_array_equal(wave, alone[1])
    assert fs == FS and soundfile.info(enhanced.tables["wav.scp"]["s5"]).subtype == "FLOAT"


def test_texts_do_not_depend_on_the_batch_size(data_dir, tmp_path, joint):
    for size in (1, 4):
        run(SetDecoder(data_dir, tmp_path / str(size), {}, FS, size), joint)
    assert (tmp_path / "1/text").read_bytes() == (tmp_path / "4/text").read_bytes()
    assert len((tmp_path / "1/text").read_text()) > 60


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

    def batch(self, waves, lengths):
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
        (speech(2000), 16000, "s5: .*s5.wav: 16000 Hz where --fs is 8000: format the data first"),
        (speech(1999), FS, "s5: .*s5.wav: 1999 samples where utt2num_samples says 2000"),
        (np.full(2000, np.nan), FS, "s5.wav: audio has samples that are not finite"),
    ],
)
def test_bad_audio_is_named(data_dir, tmp_path, joint, samples, fs, message):
    soundfile.write(tmp_path / "wav/s5.wav", samples, fs, subtype="FLOAT")
    with pytest.raises(UserError, match=message):
        run(decoder(data_dir, tmp_path / "out"), joint)
    assert not (tmp_path / "out" / "text").exists()


def test_too_short_utterance_is_named(data_dir, tmp_path, joint):
    soundfile.write(tmp_path / "wav/s5.wav", speech(50), FS)
    (data_dir / "utt2num_samples").unlink()
    message = r"the models failed on 1 utterance\(s\) \(s5\) of 50 to 50 samples: .*too short"
    with pytest.raises(UserError, match=message):
        run(decoder(data_dir, tmp_path / "out"), joint)


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
