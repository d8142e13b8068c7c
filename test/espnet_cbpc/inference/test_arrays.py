# SPDX-License-Identifier: Apache-2.0
"""Speech of several channels in inference: the models' channels, long recordings, the command."""

import json
import logging

import numpy as np
import pytest
import soundfile
import torch
import yaml
from tiny_models import ENH, FS, GREEDY, files, joint_options, save_model, speech

from espnet_cbpc.bin import enh_asr_inference, transcribe
from espnet_cbpc.data.kaldi.format_dir import format_data_dir
from espnet_cbpc.data.kaldi.kaldi_dir import read_table, write_data_dir
from espnet_cbpc.html_report.frame_embeddings import FrameEncoder
from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text
from espnet_cbpc.inference.long_form import Cutter
from espnet_cbpc.inference.transcriber import Transcriber
from espnet_cbpc.utils.cli import UserError

BEAMFORMER = {
    "enh_separator": "wpe_beamformer",
    "enh_separator_conf": {
        "num_spk": 1,
        "loss_type": "spectrum",
        "ref_channel": 2,
        "beamformer_type": "mvdr_souden",
        "blayers": 1,
        "bunits": 8,
        "bprojs": 8,
        "badim": 8,
    },
}
TFGRIDNET = {
    "enh_encoder": "same",
    "enh_encoder_conf": {},
    "enh_decoder": "same",
    "enh_decoder_conf": {},
    "enh_separator": "tfgridnetv2",
    "enh_separator_conf": {
        "n_srcs": 1,
        "n_fft": 128,
        "stride": 64,
        "n_imics": 6,
        "n_layers": 1,
        "emb_dim": 4,
        "lstm_hidden_units": 4,
        "attn_n_head": 1,
        "attn_approx_qk_dim": 8,
        "emb_ks": 1,
        "emb_hs": 1,
    },
}


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    """The folder of tiny joint models of six channels."""
    from espnet2.tasks.enh import EnhancementTask
    from espnet2.tasks.enh_s2t import EnhS2TTask

    folder = tmp_path_factory.mktemp("arrays")
    save_model(folder, "mvdr", EnhS2TTask, {**joint_options(), **BEAMFORMER})
    save_model(folder, "tfgridnet", EnhS2TTask, {**joint_options(), **TFGRIDNET})
    alone = {key[len("enh_") :]: value for key, value in BEAMFORMER.items()}
    per_channel = {"model_conf": {"normalize_variance_per_ch": True}}
    criterions = joint_options()["enh_criterions"]
    save_model(
        folder, "enh", EnhancementTask, {**ENH, **alone, **per_channel, "criterions": criterions}
    )
    return folder


def array(samples, seed=0, channels=6):
    """(N, C): one source that reaches the microphones one after the other, and noise."""
    source = speech(samples + channels, seed)
    heard = [source[channels - c : channels - c + samples] for c in range(channels)]
    noise = np.random.default_rng(seed + 1).standard_normal((samples, channels))
    return (np.stack(heard, axis=1) + 0.02 * noise).astype(np.float32)


def model(folder, name, **options):
    return EnhSpeech2Text(**files(folder, "enh_asr", name), **GREEDY, **options)


def test_the_beamformer_takes_what_it_is_given(arrays):
    mvdr, heard = model(arrays, "mvdr"), array(9000)
    text, enhanced = mvdr(heard)
    assert text and enhanced.shape == (9000,)
    with torch.no_grad():
        lengths = torch.tensor([9000])
        expected = mvdr.enh_model.forward_enhance(torch.from_numpy(heard)[None], lengths)[0][0]
    np.testing.assert_allclose(enhanced, expected[0], atol=1e-6)
    assert np.abs(mvdr(heard[:, :4])[1] - enhanced).max() > 1e-3  # the other two did matter
    # utterances of one length agree, in a batch or alone
    other = array(9000, 5)
    both = mvdr.batch(np.stack([heard, other]), [9000, 9000])
    np.testing.assert_allclose(both[1].enhanced, mvdr(other)[1], atol=1e-5)


def test_one_channel_of_a_beamformer_passes_with_one_warning(arrays, caplog):
    mvdr, alone = model(arrays, "mvdr"), array(9000)[:, 2]
    with caplog.at_level(logging.WARNING):
        enhanced = [mvdr(alone)[1], mvdr(alone[:, None])[1]]
    np.testing.assert_allclose(enhanced, [alone, alone], atol=1e-5)
    told = [r.message for r in caplog.records if "channel" in r.message]
    assert told == [
        "speech of 1 channel: the SE model (NeuralBeamformer) lets it through as it is; give all "
        "channels of the array"
    ]


@pytest.mark.parametrize(
    "name, channels, message",
    [
        ("mvdr", 2, r"speech of 2 channels, but the reference .*\(NeuralBeamformer\) is channel 2"),
        ("tfgridnet", 1, r"speech of 1 channel, but .*\(TFGridNetV2\) takes 6 channels: give it"),
        ("tfgridnet", 5, "speech of 5 channels, but .* takes 6 channels"),
    ],
)
def test_a_wrong_number_of_channels(arrays, name, channels, message):
    with pytest.raises(UserError, match=message):
        model(arrays, name)(array(4000, channels=channels))


def test_observation_adding_adds_the_reference_channel(arrays):
    heard = array(9000)
    enhanced = model(arrays, "mvdr")(heard)[1]
    mixed = model(arrays, "mvdr", observation_adding=0.3)(heard)[1]
    np.testing.assert_allclose(mixed, 0.7 * enhanced + 0.3 * heard[:, 2], atol=1e-6)
    noisy = model(arrays, "mvdr", enhance=False)
    assert noisy(heard) == noisy(heard[:, 2])


def test_a_model_of_one_channel_hears_the_reference(models):
    joint, heard = EnhSpeech2Text(**files(models, "enh_asr", "joint"), **GREEDY), array(9000)
    np.testing.assert_array_equal(joint(heard)[1], joint(heard[:, 0])[1])
    alone = EnhSpeech2Text(**files(models, "asr", "ctc"), **GREEDY, fs=FS)
    assert alone(heard) == alone(heard[:, 0])


def test_channels_are_normalised_as_in_the_training_of_the_se_model(arrays, models):
    from espnet2.bin.enh_inference import SeparateSpeech

    enh = files(arrays, "enh", "enh")
    cascade = EnhSpeech2Text(**files(models, "asr", "ctc"), **enh, **GREEDY, fs=FS)
    heard = array(9000) * np.linspace(0.1, 2, 6, dtype=np.float32)  # gains that differ
    stock = SeparateSpeech(enh["enh_train_config"], enh["enh_model_file"])
    np.testing.assert_allclose(cascade(heard)[1], stock(heard[None], fs=FS)[0][0], atol=1e-5)


def test_long_recordings(arrays, tmp_path):
    heard = np.concatenate([np.pad(array(9000, i), ((1500, 1500), (0, 0))) for i in range(4)])
    soundfile.write(tmp_path / "long.wav", heard, FS, subtype="FLOAT")
    mvdr, seen = model(arrays, "mvdr", observation_adding=0.5), []
    transcribes = Transcriber(mvdr, Cutter(FS, window=2.4, overlap=1.2))
    segments = transcribes(tmp_path / "long.wav", seen.append)
    assert len(segments) > 2 and len(np.concatenate(seen)) == len(heard)
    first = mvdr(heard[: round(2.4 * FS)])[1]  # a window is enhanced in one go
    count = round(segments[0].end * FS) - round(0.1 * FS)  # what fades is no longer of it alone
    np.testing.assert_allclose(np.concatenate(seen)[:count], first[:count], atol=1e-5)


@pytest.mark.parametrize("channel", [2, 4])  # 2 is the reference
def test_a_dead_microphone_is_replaced(arrays, tmp_path, caplog, channel):
    mvdr, heard = model(arrays, "mvdr"), array(9000)
    heard[:, channel] = 0
    soundfile.write(tmp_path / "dead.wav", heard, FS, subtype="FLOAT")
    seen = []
    transcribes = Transcriber(mvdr, Cutter(FS), channels=range(6))
    transcribes(tmp_path / "dead.wav", seen.append)
    differences = []
    for other in set(range(6)) - {channel}:
        chosen = [other if c == channel else c for c in range(6)]
        differences.append(np.abs(mvdr(heard[:, chosen])[1] - np.concatenate(seen)).max())
    assert min(differences) < 1e-5
    assert f"dead.wav: failing channels, replaced by others: {channel} (silent)" in caplog.text
    transcribes.channels = [1, 3, 2, 4, 5]
    caplog.clear()
    transcribes(tmp_path / "dead.wav")
    assert f"replaced by others: {channel} (silent)" in caplog.text  # as the file numbers it


@pytest.fixture(scope="module")
def formatted(tmp_path_factory):
    """A dump directory whose recordings have a file for each channel; channel 2 is the reference."""
    root = tmp_path_factory.mktemp("data")
    wavs = {}
    for key, seed in (("s-a", 0), ("s-b", 1)):
        files_ = [root / f"{key}.CH{c}.wav" for c in range(6)]
        for file, samples in zip(files_, array(9000, seed).T):
            soundfile.write(file, samples, FS, subtype="PCM_16")
        wavs[key] = " ".join(map(str, files_))
    tables = {"wav.scp": wavs, "utt2spk": dict.fromkeys(wavs, "s")}
    write_data_dir(root / "org" / "test", tables)
    format_data_dir(root / "org" / "test", root / "test", FS, require_text=False, ref_channel=2)
    return root / "test"


def decode(given, data, out, *options):
    config = out.parent / "decode.yaml"
    config.write_text(yaml.safe_dump(GREEDY))
    words = [f"--{key}={value}" for key, value in given.items()]
    words += [f"--config={config}", "--fs=8k", "--data_dirs", str(data), "--output_dir", str(out)]
    enh_asr_inference.main([*words, *options])


def test_data_directories_of_arrays(arrays, formatted, tmp_path):
    mvdr = model(arrays, "mvdr")
    decode(files(arrays, "enh_asr", "mvdr"), formatted, tmp_path / "out")
    texts = read_table(tmp_path / "out/test/text", allow_empty=True)
    for key, entry in read_table(formatted / "wav.scp").items():
        signals = [soundfile.read(path, dtype="float32")[0] for path in entry.split()]
        text, enhanced = mvdr(np.stack(signals, axis=1))
        assert texts[key] == text.strip()
        written = soundfile.read(tmp_path / f"out/test/enhanced/wavs/{key}.wav", dtype="float32")[0]
        np.testing.assert_allclose(written, enhanced, atol=1e-5)


def test_models_of_one_channel_hear_the_reference_of_a_data_directory(models, formatted, tmp_path):
    asr = EnhSpeech2Text(**files(models, "asr", "ctc"), **GREEDY, fs=FS)
    decode(files(models, "asr", "ctc"), formatted, tmp_path / "out")
    texts = read_table(tmp_path / "out/test/text", allow_empty=True)
    for key, entry in read_table(formatted / "wav.scp").items():
        heard = soundfile.read(entry.split()[2], dtype="float32")[0]
        assert texts[key] == asr(heard)[0].strip()


def test_a_data_directory_of_other_channels_than_the_model_takes(arrays, formatted, tmp_path):
    five = yaml.safe_load((arrays / "tfgridnet.yaml").read_text())
    five["enh_separator_conf"]["n_imics"] = 5
    (tmp_path / "five.yaml").write_text(yaml.safe_dump(five))
    weights = torch.load(arrays / "tfgridnet.pth")
    first = "enh_model.separator.conv.0.weight"
    torch.save({**weights, first: weights[first][:, :10]}, tmp_path / "five.pth")
    with pytest.raises(UserError, match="speech of 6 channels, but .* takes 5 channels"):
        decode(files(tmp_path, "enh_asr", "five"), formatted, tmp_path / "out")


def run(folder, name, *options):
    given = [f"--{key}={value}" for key, value in files(folder, "enh_asr", name).items()]
    config = folder / "decode.yaml"
    config.write_text(yaml.safe_dump(GREEDY))
    transcribe.main([*map(str, options), *given, f"--config={config}", "--fs=8k"])


def test_the_command_chooses_channels(arrays, tmp_path, capsys):
    heard = array(9000)
    soundfile.write(tmp_path / "a.wav", heard, FS, subtype="FLOAT")
    for words, chosen in (((), range(6)), (("--channels", "4,0,1"), (4, 0, 1))):
        run(arrays, "mvdr", *words, tmp_path / "a.wav", "--output_dir", tmp_path / "out")
        enhanced = soundfile.read(tmp_path / "out/enhanced/a.wav", dtype="float32")[0]
        expected = model(arrays, "mvdr")(heard[:, list(chosen)])[1]
        np.testing.assert_allclose(enhanced, expected, atol=1e-5)
    assert json.loads((tmp_path / "out" / "a.json").read_text())["text"]


@pytest.mark.parametrize(
    "name, words, message",
    [
        ("mvdr", ("--channels", "0,6"), "a.wav: audio has no channel 6 but 6 from 0 on"),
        ("mvdr", ("--channels", "0,1"), "a.wav: speech of 2 channels, but the reference"),
        ("tfgridnet", ("--channel", "3"), "a.wav: speech of 1 channel, but the SE model"),
    ],
)
def test_the_command_says_what_is_wrong(arrays, tmp_path, capsys, name, words, message):
    soundfile.write(tmp_path / "a.wav", array(4000), FS)
    with pytest.raises(UserError, match=r"1 of 1 file\(s\) not transcribed"):
        run(arrays, name, *words, tmp_path / "a.wav")
    assert f"error: {tmp_path}/{message}" in capsys.readouterr().err


def test_the_command_takes_channels_once(arrays, tmp_path):
    with pytest.raises(UserError, match="give either --channel or --channels"):
        run(arrays, "mvdr", "--channel", "1", "--channels", "1,2", tmp_path / "a.wav")
    with pytest.raises(SystemExit):
        run(arrays, "mvdr", "--channels", "first", tmp_path / "a.wav")


def test_frames_for_the_map_of_embeddings_are_of_the_beamformed_speech(arrays):
    heard = array(9000)
    encoder = FrameEncoder(None, FS, "cpu", **files(arrays, "enh_asr", "mvdr"))
    assert encoder.system.takes_several_channels
    (frames,) = encoder.frames([heard])
    enhanced = torch.from_numpy(model(arrays, "mvdr")(heard)[1])[None]
    expected = encoder.system.s2t_model.encode(enhanced, torch.tensor([9000]))[0][0]
    np.testing.assert_allclose(frames, expected.detach(), atol=1e-4)
