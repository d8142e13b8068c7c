# SPDX-License-Identifier: Apache-2.0
"""Enhancement of files: by joint and SE models, long ones, bad ones, and the command."""

import numpy as np
import pytest
import soundfile
import torch
from tiny_models import FS, files, speech

from espnet_cbpc.bin import enhance
from espnet_cbpc.inference.file_enhancer import FileEnhancer, load_enhancer
from espnet_cbpc.inference.long_form import Cutter
from espnet_cbpc.utils.cli import UserError


class Halves:
    """Stands for a model."""

    takes_several_channels = False

    def enhance(self, speech, lengths):
        assert speech.shape == (1, int(lengths[0]))
        if lengths[0] < 100:
            raise RuntimeError("too short")
        return speech / 2


@pytest.fixture
def wav(tmp_path):
    """Function: write noisy speech; returns its samples and its file."""

    def write(name="noisy.wav", seconds=0.5, fs=FS):
        samples = speech(round(seconds * fs))
        soundfile.write(tmp_path / name, samples, fs, subtype="FLOAT")
        return samples, str(tmp_path / name)

    return write


@pytest.mark.parametrize("kind, name", [("enh_asr", "joint"), ("enh", "enh")])
def test_a_file_is_enhanced_as_the_model_does_it(models, wav, tmp_path, kind, name):
    samples, path = wav()
    enhancer, fs = load_enhancer(files(models, kind, name), fs=FS)
    assert fs == FS
    assert FileEnhancer(enhancer, Cutter(fs))(path, tmp_path / "out" / "a.wav") == 0.5
    found, rate = soundfile.read(tmp_path / "out" / "a.wav", dtype="float32")
    with torch.no_grad():
        model, lengths = enhancer.enh_model, torch.tensor([len(samples)])
        gain = samples.std(ddof=1) if name == "enh" and model.normalize_variance else 1.0
        waves, *_ = model.forward_enhance(torch.from_numpy(samples)[None] / gain, lengths)
        expected = gain * waves[0][0].numpy()
    assert rate == FS and np.abs(found).max() > 0
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_long_file_is_enhanced_in_pieces_that_fit_together(wav, tmp_path):
    samples, path = wav(seconds=7)
    seconds = FileEnhancer(Halves(), Cutter(FS, window=2.0, overlap=0.9))(path, tmp_path / "a.wav")
    found, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert seconds == 7
    np.testing.assert_allclose(found, samples / 2, atol=1e-6)


def test_silence_stays_silent(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(FS), FS)
    FileEnhancer(Halves(), Cutter(FS))(tmp_path / "a.wav", tmp_path / "out.wav")
    assert not soundfile.read(tmp_path / "out.wav")[0].any()


def test_what_is_too_short_for_the_model_is_told_and_leaves_nothing(wav, tmp_path):
    _, path = wav(seconds=0.01)
    with pytest.raises(
        UserError, match="noisy.wav: the model failed on the audio after 0.00 s: .*too short"
    ):
        FileEnhancer(Halves(), Cutter(FS))(path, tmp_path / "out" / "a.wav")
    assert not any((tmp_path / "out").iterdir())


def test_the_command_does_what_it_can(models, wav, tmp_path, capsys):
    _, path = wav()
    (tmp_path / "text.wav").write_text("no audio")
    config, checkpoint = files(models, "enh", "enh").values()
    words = ["--output_dir", str(tmp_path / "out"), "--enh_model", f"{config},{checkpoint}"]
    words += ["--fs", str(FS), "--cachedir", str(tmp_path / "cache")]
    with pytest.raises(UserError, match=r"^1 of 2 file\(s\) not enhanced \(.*text.wav\): see"):
        enhance.main([str(tmp_path / "text.wav"), path, *words])
    said = capsys.readouterr()
    assert said.out == f"{path}\t{tmp_path}/out/noisy.wav\n"
    assert said.err.splitlines()[-1].startswith(f"error: {tmp_path}/text.wav")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["noisy.wav"]


@pytest.mark.parametrize(
    "words, message",
    [
        (("a.wav",), "give either a joint model"),
        (("a.wav", "--model", "x", "--enh_model", "y"), "give either a joint model"),
        (("a.wav", "--model", "./no.zip"), "^./no.zip: no such file or folder"),
        (
            ("a/x y.wav", "b/x_y.wav", "--model", "x"),
            r"^1 output name\(s\) shared by several files \(x_y\)",
        ),
        (("out/a.wav", "--model", "x"), "^out/a.wav would be replaced: give another --output_dir"),
    ],
)
def test_misuse(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        enhance.main([*words, "--output_dir", "out"])
    assert list(tmp_path.iterdir()) == []
