# SPDX-License-Identifier: Apache-2.0
"""Transcription of files: formats, rates, channels, long ones, bad ones, and the command."""

import json
import shutil

import numpy as np
import pytest
import soundfile
import soxr
import torch
import yaml
from tiny_models import FS, GREEDY, files, speech

from espnet_cbpc.bin import transcribe
from espnet_cbpc.data.kaldi.kaldi_dir import read_table
from espnet_cbpc.inference.decoded_utterance import Hypothesis, TokenTime
from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text
from espnet_cbpc.inference.long_form import FADE, Cutter
from espnet_cbpc.inference.transcriber import Transcriber, text_of
from espnet_cbpc.utils.cli import UserError

WORDS = {"a": 300, "b": 500, "c": 800, "d": 1200}  # Hz


class Tones:
    """Stands for a model: hears words that are tones, each in its own burst."""

    enh_model, takes_several_channels = object(), False

    def enhance(self, wave, lengths):
        return wave.clone()

    def choose(self, heard, noisy, lengths):
        wave = heard[0].numpy()
        loud = np.convolve(np.abs(wave), np.ones(80) / 80, "same") > 0.02
        edges = np.flatnonzero(np.diff(np.concatenate(([0], loud.astype(int), [0]))))
        words, times = [], []
        for start, end in zip(edges[::2], edges[1::2]):
            spectrum = np.abs(np.fft.rfft(wave[start:end], 8192))
            hertz = np.argmax(spectrum) * FS / 8192
            words.append(min(WORDS, key=lambda word: abs(WORDS[word] - hertz)))
            times.append(TokenTime(words[-1], start / FS, end / FS))
        return [(0.0, ([Hypothesis(" ".join(words), words, [], 0.0)], times))]


class Chooser:
    """Stands for a model whose SE leaves nothing, and that lets more through of every piece."""

    enh_model, takes_several_channels = object(), False

    def __init__(self):
        self.shares = []

    def enhance(self, wave, lengths):
        return wave * 0.01

    def choose(self, heard, noisy, lengths):
        assert heard.shape == noisy.shape and torch.equal(heard, noisy * 0.01)
        self.shares.append(0.25 * len(self.shares))
        return [(self.shares[-1], ([Hypothesis("a", ["a"], [2], 0.0)], None))]


def spoken(text, pause=0.25):
    """Return the tones of a text and when each begins, in seconds."""
    parts, starts, at = [np.zeros(1000)], [], 1000
    for i, word in enumerate(text.split()):
        n = round((0.2 + 0.05 * (i % 3)) * FS)
        starts.append(at / FS)
        parts += [0.3 * np.sin(2 * np.pi * WORDS[word] * np.arange(n) / FS)]
        parts += [np.zeros(round(pause * FS))]
        at += n + round(pause * FS)
    return np.concatenate(parts).astype(np.float32), starts


@pytest.fixture
def tones():
    return Transcriber(Tones(), Cutter(FS, window=3.0, overlap=1.5))


TEXT = " ".join(np.random.default_rng(0).choice(list(WORDS), 60))


def test_long_recording_loses_and_repeats_no_word(tmp_path, tones):
    wave, starts = spoken(TEXT)
    soundfile.write(tmp_path / "long.flac", wave, FS)
    written = []
    segments = tones(tmp_path / "long.flac", written.append)
    assert text_of(segments) == TEXT
    assert len(segments) > 10
    times = [time.start for segment in segments for time in segment.recognition.token_times]
    np.testing.assert_allclose(times, starts, atol=0.01)
    np.testing.assert_allclose(np.concatenate(written), wave, atol=1e-4)
    ends = [segment.end for segment in segments]
    assert [segment.start for segment in segments] == [0.0, *ends[:-1]]
    assert ends[-1] == pytest.approx(len(wave) / FS)


def test_the_share_that_is_chosen_for_a_piece_is_heard_in_it_and_fades_over(tmp_path):
    noisy = np.random.default_rng(0).uniform(0.4, 0.5, 10 * FS).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", noisy, FS, subtype="FLOAT")
    model, written = Chooser(), []
    segments = Transcriber(model, Cutter(FS, window=3.0, overlap=1.5))(
        tmp_path / "a.wav", written.append
    )
    gain = np.concatenate(written) / noisy
    assert len(model.shares) == len(segments) > 3
    for segment, share in zip(segments, model.shares):
        middle = round((segment.start + segment.end) / 2 * FS)
        assert gain[middle] == pytest.approx(0.01 + 0.99 * share, abs=1e-4)
    assert np.abs(np.diff(gain)).max() < 0.25 / (FADE * FS) * 1.1


def test_pieces_are_recognised_as_files_of_their_own(tmp_path, models):
    model = EnhSpeech2Text(**files(models, "asr", "ctc"), **GREEDY, fs=FS)
    wave = np.concatenate([np.pad(speech(9000, seed), 1500) for seed in range(4)])
    soundfile.write(tmp_path / "long.wav", wave, FS, subtype="FLOAT")
    segments = Transcriber(model, Cutter(FS, window=2.4, overlap=1.2))(tmp_path / "long.wav")
    assert len(segments) > 2
    bounds = [(round(s.start * FS), round(s.end * FS)) for s in segments]
    assert [s.recognition.text for s in segments] == [model(wave[a:b])[0] for a, b in bounds]


@pytest.mark.parametrize("suffix, subtype", [("wav", "PCM_24"), ("ogg", None), ("mp3", None)])
def test_formats_and_rates(tmp_path, tones, suffix, subtype):
    wave, _ = spoken("a b c d")
    path = tmp_path / f"x.{suffix}"
    soundfile.write(path, soxr.resample(wave, FS, 44100), 44100, subtype=subtype)
    assert text_of(tones(path)) == "a b c d"


def test_channels(tmp_path, tones):
    left, right = (spoken(text)[0] for text in ("a a a", "d d d"))
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([left, right], 1), FS)
    for channel, text in ((0, "a a a"), (1, "d d d")):
        tones.channels = [channel]
        assert text_of(tones(path)) == text
    tones.channels, seen = None, []
    tones(path, seen.append)
    np.testing.assert_allclose(np.concatenate(seen), (left + right) / 2, atol=1e-4)
    tones.channels = [0, 2]
    with pytest.raises(UserError, match="stereo.wav: audio has no channel 2 but 2 from 0 on"):
        tones(path)


def bad_files(folder):
    wave = spoken("a b")[0]
    soundfile.write(folder / "empty.wav", np.zeros(0), FS)
    (folder / "text.wav").write_text("not audio")
    soundfile.write(folder / "silent.wav", np.zeros(20000), FS)
    soundfile.write(folder / "nan.wav", np.full(2000, np.nan), FS, subtype="FLOAT")
    soundfile.write(folder / "cut.wav", wave, FS)
    (folder / "cut.wav").write_bytes((folder / "cut.wav").read_bytes()[:5000])
    return {
        "missing.wav": "no such audio file",
        "empty.wav": "audio file has no samples",
        "text.wav": "not a readable audio file",
        "silent.wav": "audio is silent",
        "nan.wav": "not finite",
        "cut.wav": "audio file is truncated",
    }


def test_bad_files_are_named(tmp_path, tones):
    for name, message in bad_files(tmp_path).items():
        with pytest.raises(UserError, match=f"{name}: .*{message}"):
            tones(tmp_path / name)


def command(models, out, *options):
    model = [f"--{key}={value}" for key, value in files(models, "enh_asr", "joint").items()]
    (out / "decode.yaml").write_text(yaml.safe_dump(GREEDY))
    return [*model, f"--config={out / 'decode.yaml'}", "--fs=8k", *options]


def test_command(tmp_path, models, joint, capsys):
    for name, seed in (("one", 0), ("two 2", 1)):
        soundfile.write(tmp_path / f"{name}.wav", speech(8000, seed), FS, subtype="FLOAT")
    paths = [str(tmp_path / "one.wav"), str(tmp_path / "two 2.wav")]
    out = tmp_path / "out"
    transcribe.main([*paths, *command(models, tmp_path, f"--output_dir={out}", "--token_times")])
    expected = [joint(speech(8000, seed)) for seed in (0, 1)]
    lines = [f"{path}\t{text}" for path, (text, _) in zip(paths, expected)]
    assert capsys.readouterr().out.splitlines() == lines
    texts = {"one": expected[0][0].strip(), "two_2": expected[1][0].strip()}
    assert read_table(out / "text") == texts
    wave, fs = soundfile.read(out / "enhanced/two_2.wav", dtype="float32")
    np.testing.assert_allclose(wave, expected[1][1], atol=1e-6)
    (segment,) = json.loads((out / "one.json").read_text())["segments"]
    assert segment["text"] == expected[0][0] and segment["end"] == 1.0
    times = segment["token_times"]
    assert [t["token"] for t in times] == segment["nbest"][0]["tokens"]
    ctm = [line.split() for line in (out / "token.ctm").read_text().splitlines()]
    assert sum(line[0] == "one" for line in ctm) == len(times)


def test_command_goes_on_after_bad_files(tmp_path, models, capsys):
    bad = [str(tmp_path / name) for name in bad_files(tmp_path)]
    soundfile.write(tmp_path / "short.wav", speech(40), FS)
    soundfile.write(tmp_path / "good.wav", speech(8000), FS)
    bad.append(str(tmp_path / "short.wav"))
    paths, out = [*bad, str(tmp_path / "good.wav")], tmp_path / "out"
    with pytest.raises(UserError, match=r"7 of 8 file\(s\) not transcribed .*and 2 more"):
        transcribe.main([*paths, *command(models, tmp_path, f"--output_dir={out}")])
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{tmp_path / 'good.wav'}\t")
    assert len(shown.err.split("error: ")) == 8
    assert "short.wav: the models failed on the audio after 0.00 s: " in shown.err
    assert list(read_table(out / "text")) == ["good"]
    written = sorted(path.name for path in out.rglob("*") if path.is_file())
    assert written == ["good.json", "good.wav", "text"]


def test_stdout_holds_texts_only(tmp_path, models, capsys, monkeypatch):
    def found(*names):
        print("a notice, as ESPnet prints some")
        return files(models, "enh_asr", "joint")

    monkeypatch.setattr("espnet_cbpc.inference.inference_options.inference_files", found)
    soundfile.write(tmp_path / "a.wav", speech(4000), FS)
    options = [o for o in command(models, tmp_path) if not o.startswith("--enh_asr")]
    transcribe.main([str(tmp_path / "a.wav"), "--model=packed.zip", *options])
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1 and out.startswith(f"{tmp_path / 'a.wav'}\t")
    assert "a notice" in err


def test_a_name_that_cannot_be_an_id_stops_no_other_file(tmp_path, models, capsys):
    soundfile.write(tmp_path / "a.wav", speech(4000), FS)
    odd = [f"{'x' * 240}.wav", b"caf\xe9.wav".decode("utf-8", "surrogateescape")]
    for name in odd:
        shutil.copy(tmp_path / "a.wav", tmp_path / name)
    paths = [str(tmp_path / name) for name in (*odd, "a.wav")]
    options = command(models, tmp_path)
    with pytest.raises(UserError, match=r"2 of 3 file\(s\) not transcribed"):
        transcribe.main([*paths, *options, f"--output_dir={tmp_path / 'out'}"])
    err = capsys.readouterr().err
    assert err.count("its name is too long or not UTF-8: rename the file") == 2
    assert r"caf\udce9.wav: its name" in err
    transcribe.main([*paths, *options])  # without a folder, any name will do
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 3 and out[1].partition("\t")[0].endswith(r"caf\udce9.wav")
    assert (tmp_path / "out" / "text").read_text().startswith("a ")


def test_an_output_directory_that_is_a_file(tmp_path, models):
    (tmp_path / "out").write_text("")
    soundfile.write(tmp_path / "a.wav", speech(4000), FS)
    with pytest.raises(UserError, match="out: is a file: give another --output_dir"):
        options = command(models, tmp_path, f"--output_dir={tmp_path / 'out'}")
        transcribe.main([str(tmp_path / "a.wav"), *options])


def test_command_refuses_names_that_collide(tmp_path, models):
    paths = ["a/x.wav", "b/x.flac"]
    with pytest.raises(UserError, match=r"1 output name\(s\) shared by several files \(x\)"):
        transcribe.main([*paths, *command(models, tmp_path, f"--output_dir={tmp_path}")])
