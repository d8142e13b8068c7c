# SPDX-License-Identifier: Apache-2.0
"""Formatting recordings of several channels, by files and by columns; what ESPnet then reads."""

import numpy as np
import pytest
import soundfile
from espnet2.train.dataset import ESPnetDataset

from espnet_cbpc.bin import format_data_dir as command
from espnet_cbpc.bin import validate_data_dir
from espnet_cbpc.data.audio.columns import columns, sound_type
from espnet_cbpc.data.audio.recording import read_recording
from espnet_cbpc.data.kaldi.filter_dir import filter_data_dir
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, heard_table, write_data_dir
from espnet_cbpc.data.kaldi.speed_perturbation import perturb_data_dir
from espnet_cbpc.utils.cli import UserError

FS = 8000
LENGTHS = {"clean": 4000, "real": 4800, "simu": 6000}


@pytest.fixture(params=["file", "columns"])
def kind(request):
    return request.param


@pytest.fixture
def signals():
    """(N, 3) of each utterance: noise that comes to the microphones one after the other."""
    rng = np.random.default_rng(0)
    found = {}
    for name, length in LENGTHS.items():
        noise = 0.1 * rng.standard_normal(length + 9)
        found[name] = np.stack([noise[c : c + length] for c in (0, 4, 9)], axis=1)
    found["clean"] = found["clean"][:, [0, 0, 0]]
    return found


@pytest.fixture
def array(tmp_path, signals, kind):
    """Write ``tmp_path/in``, a set of three channels with a mono reference of ``simu``."""
    write(tmp_path, signals, kind)
    return tmp_path / "in"


def write(folder, signals, kind):
    audio, wavs = folder / "audio", {}
    audio.mkdir(exist_ok=True)
    for name, samples in signals.items():
        soundfile.write(audio / f"{name}.wav", samples, FS)
        for channel in range(samples.shape[1]):
            soundfile.write(audio / f"{name}.CH{channel}.wav", samples[:, channel], FS)
        several = [f"{audio}/{name}.CH{channel}.wav" for channel in range(samples.shape[1])]
        wavs[f"{name}-u"] = f"{audio}/{name}.wav" if kind == "file" else " ".join(several)
    soundfile.write(audio / "simu_clean.wav", 0.5 * signals["simu"][:, 1], FS)
    tables = {
        "wav.scp": wavs,
        "spk1.scp": {"simu-u": f"{audio}/simu_clean.wav"},
        "utt2spk": dict.fromkeys(wavs, "ann"),
        "text": dict.fromkeys(wavs, "one two"),
        "utt2category": {key: key[:-2].upper() for key in wavs},
    }
    write_data_dir(folder / "in", tables)


def formatted(array, *options):
    out = array.parent / "out"
    command.main([str(array), str(out), "--fs", "8k", "--nj", "1", *options])
    return DataDir.read(out)


def test_what_fits_is_not_copied(array, kind):
    data = formatted(array, "--ref_channel", "1")
    tables, audio = data.tables, array.parent / "audio"
    assert tables["wav.scp"] == DataDir.read(array).tables["wav.scp"]
    assert tables["utt2num_samples"] == {f"{k}-u": str(n) for k, n in LENGTHS.items()}
    assert "utt2failing_channels" not in tables
    assert tables["spk1.scp"]["simu-u"] == f"{audio}/simu_clean.wav"
    if kind == "columns":
        assert tables["noisy.scp"] == {f"{k}-u": f"{audio}/{k}.CH1.wav" for k in LENGTHS}
        assert not (data.path / "data").exists()
    assert tables["spk1.scp"]["real-u"] == tables["noisy.scp"]["real-u"]
    assert tables["clean.scp"]["clean-u"] == tables["noisy.scp"]["clean-u"]
    assert set(tables["clean.scp"]) == {"clean-u", "simu-u"}


def test_the_reference_channel_is_heard(array, signals):
    data = formatted(array, "--ref_channel", "2")
    assert heard_table(data.path).name == "noisy.scp"
    for name, samples in signals.items():
        heard, _ = read_recording(data.tables["noisy.scp"][f"{name}-u"])
        np.testing.assert_allclose(heard, samples[:, 2], atol=1e-4)


def test_espnet_reads_it(array, signals):
    data = formatted(array)
    kind = sound_type(data.tables["wav.scp"])
    sources = [(f"{data.path}/wav.scp", "speech", kind), (f"{data.path}/spk1.scp", "ref", "sound")]
    dataset = ESPnetDataset(sources)
    for name, samples in signals.items():
        _, read = dataset[f"{name}-u"]
        np.testing.assert_allclose(read["speech"], samples, atol=1e-4)
        assert read["ref"].shape == (len(samples),)


def test_other_formats_become_a_file_for_each_channel(array, signals):
    data = formatted(array, "--audio_format", "flac")
    for name in LENGTHS:
        files = columns(data.tables["wav.scp"][f"{name}-u"])
        first = f"{data.path}/data/wav/{name}-u.CH1.flac"
        if name == "clean":  # one file for its equal channels
            assert files == [first] * 3
        else:
            assert files == [first.replace("CH1", f"CH{number}") for number in (1, 2, 3)]
        samples, _ = read_recording(" ".join(files))
        np.testing.assert_allclose(samples, signals[name], atol=1e-4)
        assert data.tables["noisy.scp"][f"{name}-u"] == first


def test_one_channel_alone(array, signals):
    data = formatted(array, "--channel", "0")
    samples, _ = read_recording(data.tables["wav.scp"]["real-u"])
    np.testing.assert_allclose(samples, signals["real"][:, 0], atol=1e-4)
    assert "noisy.scp" not in data.tables and heard_table(data.path).name == "wav.scp"


@pytest.mark.parametrize("references", ["several_in_a_file", "several_files"])
def test_of_a_reference_of_several_channels_one_is_kept(array, signals, references):
    audio = array.parent / "audio"
    if references == "several_files":
        entry = " ".join(f"{audio}/simu.CH{channel}.wav" for channel in range(3))
    else:
        entry = f"{audio}/simu.wav"
    (array / "spk1.scp").write_text(f"simu-u {entry}\n")
    data = formatted(array, "--ref_channel", "1")
    samples, _ = read_recording(data.tables["spk1.scp"]["simu-u"])
    np.testing.assert_allclose(samples, signals["simu"][:, 1], atol=1e-4)


def test_a_dead_channel_is_replaced_in_whatever_reads_it(tmp_path, signals, kind, caplog):
    signals["real"][:, 0] = 0
    write(tmp_path, signals, kind)
    data = formatted(tmp_path / "in")
    assert data.tables["utt2failing_channels"] == {"real-u": "0:silent:0.00:1"}
    assert "1 of 3 recordings have channels that fail (1 silent; real-u)" in caplog.text
    samples, _ = read_recording(data.tables["wav.scp"]["real-u"])
    np.testing.assert_allclose(samples, signals["real"][:, [1, 1, 2]], atol=1e-4)
    heard, _ = read_recording(data.tables["noisy.scp"]["real-u"])
    np.testing.assert_allclose(heard, signals["real"][:, 1], atol=1e-4)
    filter_data_dir(data.path, tmp_path / "short", FS, 0.1, 0.61)
    assert "real-u" in DataDir.read(tmp_path / "short").tables["utt2failing_channels"]


def test_without_the_microphone_of_its_reference_an_utterance_is_real(
    tmp_path, signals, kind, caplog
):
    signals["simu"][:, 2] = 0
    write(tmp_path, signals, kind)
    assert formatted(tmp_path / "in").categories["simu-u"] == "SIMU"
    assert "become REAL" not in caplog.text
    data = formatted(tmp_path / "in", "--ref_channel", "2")
    assert data.categories["simu-u"] == "REAL" and set(data.tables["clean.scp"]) == {"clean-u"}
    assert "1 simulated recordings become REAL, as the microphone of their clean" in caplog.text


def test_formatting_again_keeps_what_was_found(tmp_path, signals, kind):
    signals["real"][:, 0] = 0
    write(tmp_path, signals, kind)
    once = formatted(tmp_path / "in")
    command.main([str(once.path), str(tmp_path / "twice"), "--fs", "8k", "--nj", "1"])
    again = DataDir.read(tmp_path / "twice")
    assert again.tables["wav.scp"] == once.tables["wav.scp"]
    assert again.tables["utt2failing_channels"] == once.tables["utt2failing_channels"]


def test_speed_perturbation_keeps_the_channels(array, signals):
    perturb_data_dir(array, array.parent / "sp", [0.5, 1])
    data = DataDir.read(array.parent / "sp")
    samples, _ = read_recording(data.tables["wav.scp"]["sp0.5-real-u"])
    assert samples.shape == (2 * LENGTHS["real"], 3)
    assert formatted(data.path).tables["utt2num_samples"]["sp0.5-simu-u"] == "12000"


def test_validation_counts_the_channels(array, capsys):
    validate_data_dir.main([str(array), "--audio", "--nj", "1"])
    assert capsys.readouterr().out.strip().endswith("0.00 hours of 3 channels")


# --- bad input


def refused(array, message, *options):
    with pytest.raises(UserError, match=message):
        formatted(array, *options)
    assert not (array.parent / "out").exists()


def test_reference_channel_that_is_not_there(array):
    message = r"3 of 3 utterance\(s\): recording has no reference channel 3 but 3 from 0 on: corr"
    refused(array, message, "--ref_channel", "3")


def test_all_channels_dead(tmp_path, signals, kind):
    signals["real"][:] = 0
    write(tmp_path, signals, kind)
    refused(tmp_path / "in", r"1 of 3 utterance\(s\): all channels fail: leave the recording out")


def test_other_numbers_of_channels(tmp_path, signals, kind):
    signals["real"] = signals["real"][:, :2]
    write(tmp_path, signals, kind)
    message = r"wav.scp: 1 of 3 recordings have another number of channels than 3 \(real-u 2\)"
    refused(tmp_path / "in", message)


def test_channels_of_other_lengths(tmp_path, signals):
    write(tmp_path, signals, "columns")
    soundfile.write(tmp_path / "audio" / "real.CH2.wav", signals["real"][:-5, 2], FS)
    refused(tmp_path / "in", r"1 of 3 utterance\(s\): channels differ in length")


def test_a_missing_channel(tmp_path, signals):
    write(tmp_path, signals, "columns")
    (tmp_path / "audio" / "real.CH2.wav").unlink()
    refused(tmp_path / "in", r"1 of 3 utterance\(s\): no such audio file: .*real.CH2.wav")


def test_a_path_with_blanks_beside_columns(tmp_path, signals):
    write(tmp_path, signals, "columns")
    lines = (tmp_path / "in" / "wav.scp").read_text().splitlines()
    lines[1] = "real-u /my corpus/a.wav"
    (tmp_path / "in" / "wav.scp").write_text("\n".join(lines) + "\n")
    refused(tmp_path / "in", r"1 utterance\(s\) whose path holds blanks, beside others of several")
