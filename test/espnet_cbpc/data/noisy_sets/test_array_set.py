# SPDX-License-Identifier: Apache-2.0
"""Sets of array mixtures on disk: tables of each track, SNRs, and manifests."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_cbpc.data.audio.audio_file import write_audio
from espnet_cbpc.data.audio.recording import read_recording
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, write_data_dir
from espnet_cbpc.data.mixing.array_mixer import ArrayMixer
from espnet_cbpc.data.mixing.array_mixing_config import parse_mixing_config
from espnet_cbpc.data.noisy_sets.array_set import ArraySet, ArrayUtterance, write_array_set
from espnet_cbpc.utils.cli import UserError

FS = 8000
CHANNELS = (1, 0, 2)


@pytest.fixture
def clean(tmp_path):
    """A data directory of two clean utterances."""
    rng = np.random.default_rng(0)
    tables = {"wav.scp": {}, "text": {}, "utt2spk": {}, "utt2category": {}}
    for i in range(2):
        path = tmp_path / f"clean{i}.wav"
        write_audio(path, 0.1 * rng.standard_normal(4000 + i).clip(-5, 5), FS)
        for name, value in zip(tables, (str(path), "one two", "s", "CLEAN")):
            tables[name][f"s-{i}"] = value
    write_data_dir(tmp_path / "dry", tables)
    return DataDir.read(tmp_path / "dry")


@pytest.fixture
def mixer(tmp_path):
    """A room of three microphones with one noise, of which there are two."""
    rng = np.random.default_rng(1)
    for name in ("room1-speech", "room1-noise"):
        rir = 0.01 * rng.standard_normal((600, 3))
        rir[[20, 22, 25], [0, 1, 2]] = 1
        soundfile.write(tmp_path / f"{name}.wav", rir, FS, "FLOAT")
    for name in ("n1", "n2"):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * rng.standard_normal(9000), FS, "FLOAT")
    lists = {"rir": ["room1-speech"], "noise_rir": ["room1-noise"], "noise": ["n1", "n2"]}
    for table, names in lists.items():
        lines = [f"{name} {tmp_path}/{name}.wav\n" for name in names]
        (tmp_path / f"{table}.scp").write_text("".join(lines))
    options = {f"{table}_scp": f"{tmp_path}/{table}.scp" for table in lists}
    options.update(fs=FS, channels=[1, 0, 2], snr_db=[3, 4])
    return ArrayMixer(parse_mixing_config(options))


def write(tmp_path, clean, mixer, snrs, seed=0, nj=1, channels=CHANNELS):
    data = tmp_path / f"data{seed}{nj}{len(channels)}"
    write_array_set(ArraySet("test", clean, mixer, snrs, seed), data, channels, nj)
    return data


def test_fewer_channels_are_those_of_the_same_mixtures(tmp_path, clean, mixer):
    snrs = (-5.0, 10.0)
    folders = [write(tmp_path, clean, mixer, snrs, channels=c) for c in ((1,), CHANNELS)]
    one, three = (DataDir.read(folder / "test") for folder in folders)
    assert one.ids == three.ids == [f"s-{i}-snr{snr}" for i in (0, 1) for snr in ("-5", "10")]
    for key in one.ids:
        alone, first = one.tables["wav.scp"][key], three.tables["wav.scp"][key].split()[0]
        assert alone.endswith(".CH2.wav") and first.endswith(".CH2.wav")
        assert Path(alone).read_bytes() == Path(first).read_bytes()
        heard, _ = read_recording(three.tables["wav.scp"][key])
        reference, _ = soundfile.read(one.tables["spk1.scp"][key])
        assert heard.shape == (len(reference), 3)
        snr = float(one.tables["utt2snr"][key])
        noise = heard[:, 0] - reference
        ratio = 10 * np.log10(np.mean(reference**2) / np.mean(noise**2))
        assert ratio == pytest.approx(snr, abs=2.5)  # late reverberation counts as noise here
        assert one.categories[key] == "SIMU" and one.tables["text"][key] == "one two"
        assert one.tables["utt2room"][key] == "room1-speech"
        assert one.tables["utt2noise"][key] in ("n1", "n2")


def test_set_is_rebuilt_bit_for_bit_from_its_manifest(tmp_path, clean, mixer):
    data = write(tmp_path, clean, mixer, ())
    lines = (data / "manifests" / "test.jsonl").read_text().splitlines()
    assert len(lines) == 2
    for line in lines:
        utterance = ArrayUtterance.parse(line)
        assert 3 <= utterance.mixture.snr_db <= 4
        mixed = utterance.render()
        for position, microphone in enumerate((2, 1, 3)):
            path = data / "audio" / "test" / f"{utterance.id}.CH{microphone}.wav"
            write_audio(tmp_path / "again.wav", mixed.noisy[:, position], FS)
            assert (tmp_path / "again.wav").read_bytes() == path.read_bytes()
        write_audio(tmp_path / "again.wav", mixed.reference, FS)
        reference = data / "audio" / "test" / f"{utterance.id}.ref.wav"
        assert (tmp_path / "again.wav").read_bytes() == reference.read_bytes()
    for line in ("{}", "no json", lines[0].replace('"mixture"', '"mix"')):
        with pytest.raises(UserError, match="not an utterance of an array"):
            ArrayUtterance.parse(line)


def test_one_seed_gives_one_set_and_another_one_another(tmp_path, clean, mixer):
    folders = [write(tmp_path, clean, mixer, (0.0,), *which) for which in ((0, 1), (0, 2), (1, 1))]
    manifests = [(folder / "manifests" / "test.jsonl").read_text() for folder in folders]
    assert manifests[0] == manifests[1] != manifests[2]
    audio = [(f / "audio" / "test" / "s-0-snr00.CH1.wav").read_bytes() for f in folders]
    assert audio[0] == audio[1] != audio[2]


def test_an_utterance_without_noise_is_reverberant_alone(tmp_path, clean, mixer):
    data = write(tmp_path, clean, mixer, (None, 5.0))
    made = DataDir.read(data / "test")
    assert list(made.tables["utt2snr"].values()) == ["clean", "5"] * 2
    assert made.tables["utt2noise"]["s-0-clean"] == "none"
    utterance = ArrayUtterance.parse((data / "manifests" / "test.jsonl").read_text().split("\n")[0])
    assert utterance.mixture.noises == () and utterance.mixture.rir is not None


def test_silent_noise_is_named(tmp_path, clean, mixer):
    for name in ("n1", "n2"):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(9000), FS, "FLOAT")
    with pytest.raises(UserError, match=r"2 of 2 utterance\(s\): no noise was found"):
        write(tmp_path, clean, mixer, (0.0,))
    assert not (tmp_path / "data013" / "audio" / "test").exists()
