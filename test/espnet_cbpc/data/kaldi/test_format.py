# SPDX-License-Identifier: Apache-2.0
"""Formatting: what is converted, what is completed, and what stops it."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import soxr
from odd_audio import encoded, flac_without_length

from espnet_cbpc.bin import validate_data_dir
from espnet_cbpc.bin.format_data_dir import main
from espnet_cbpc.data.audio.audio_file import AudioError, read_audio, sampling_rate, write_audio
from espnet_cbpc.data.kaldi import format_dir as format_module
from espnet_cbpc.data.kaldi.format_dir import format_data_dir
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table
from espnet_cbpc.data.kaldi.signals import map_utterances
from espnet_cbpc.utils.cli import UserError

FS = 8000


def fails(corpus, message, **options):
    """Formatting stops with the message and leaves nothing behind."""
    before = sorted(corpus.parent.iterdir())
    with pytest.raises(UserError, match=re.escape(message)):
        format_data_dir(corpus, corpus.parent / "out", FS, **options)
    assert sorted(corpus.parent.iterdir()) == before


def test_files_that_fit_are_referenced_and_tables_completed(corpus):
    out, audio = corpus.parent / "out", corpus.parent / "audio"
    main([str(corpus), str(out), "--fs", "8k", "--nj", "2"])
    tables = DataDir.read(out).tables
    assert tables["utt2num_samples"] == {"clean-u": "4000", "real-u": "4800", "simu-u": "6000"}
    assert tables["wav.scp"] == read_table(corpus / "wav.scp")
    assert tables["spk1.scp"] == {
        "clean-u": f"{audio}/clean.wav",
        "real-u": f"{audio}/real.wav",
        "simu-u": f"{audio}/simu_clean.wav",
    }
    assert tables["clean.scp"] == {
        "clean-u": f"{audio}/clean.wav",
        "simu-u": f"{audio}/simu_clean.wav",
    }
    assert not (out / "data").exists()
    for name in ("text", "utt2spk", "spk2utt", "utt2snr", "utt2category", "noise1.scp"):
        assert (out / name).read_text() == (corpus / name).read_text()


def test_formatting_what_is_formatted_changes_nothing(corpus):
    once, twice = corpus.parent / "once", corpus.parent / "twice"
    format_data_dir(corpus, once, FS)
    format_data_dir(once, twice, FS)
    assert DataDir.read(twice).tables == DataDir.read(once).tables


def test_categories_are_written_where_they_were_implied(corpus):
    (corpus / "utt2category").unlink()
    format_data_dir(corpus, corpus.parent / "out", FS)
    data = DataDir.read(corpus.parent / "out")
    assert data.tables["utt2category"] == {"clean-u": "REAL", "real-u": "REAL", "simu-u": "SIMU"}
    assert list(data.tables["clean.scp"]) == ["simu-u"]


def test_other_rates_and_formats_are_converted(corpus, monkeypatch, tone):
    monkeypatch.chdir(corpus.parent)
    wide = tone(0.5, fs=16000)
    write_audio("audio/clean.wav", wide, 16000)
    format_data_dir("in", "out", FS)
    tables = DataDir.read("out").tables
    assert tables["wav.scp"]["clean-u"] == "out/data/wav/clean-u.wav"
    assert tables["spk1.scp"]["clean-u"] == "out/data/wav/clean-u.wav"
    assert tables["clean.scp"]["clean-u"] == "out/data/wav/clean-u.wav"
    assert tables["wav.scp"]["real-u"] == f"{corpus.parent}/audio/real.wav"
    samples, fs = read_audio("out/data/wav/clean-u.wav")
    assert (fs, len(samples)) == (FS, 4000)
    np.testing.assert_allclose(samples[200:-200], tone(0.5)[200:-200], atol=2e-3)

    format_data_dir("in", "flac", FS, "flac")
    info = soundfile.info(read_table("flac/spk1.scp")["simu-u"])
    assert (info.format, info.samplerate, info.frames) == ("FLAC", FS, 6000)


def test_a_chosen_channel_is_converted(corpus, tone):
    stereo = np.stack([tone(0.5), tone(0.5, hertz=1000.0)], axis=1)
    for path in (corpus.parent / "audio").iterdir():
        soundfile.write(path, stereo, FS)
    fails(corpus, "3 of 3 utterance(s): audio has no channel 2 but 2 from 0 on", channel=2)
    format_data_dir(corpus, corpus.parent / "out", FS, channel=1)
    samples, _ = read_audio(read_table(corpus.parent / "out" / "wav.scp")["real-u"])
    np.testing.assert_allclose(samples, stereo[:, 1], atol=1e-4)


def test_overshoot_is_scaled_alike_so_that_the_mixture_still_adds_up(corpus, tone):
    audio = corpus.parent / "audio"
    square = np.sign(tone(0.5, fs=16000)) * 0.99  # rings beyond 1 when resampled
    noise = tone(0.5, fs=16000, level=0.01)
    for name, samples in {"": square, "_clean": square - noise, "_noise": noise}.items():
        write_audio(audio / f"simu{name}.wav", samples, 16000)
    assert np.abs(soxr.resample(square, 16000, FS)).max() > 1
    format_data_dir(corpus, corpus.parent / "out", FS)
    tables = DataDir.read(corpus.parent / "out").tables
    noisy, clean, noise = (
        read_audio(tables[name]["simu-u"])[0] for name in ("wav.scp", "spk1.scp", "noise1.scp")
    )
    assert np.abs(noisy).max() == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(noisy, clean + noise, atol=1e-4)


def test_missing_files_are_counted_and_named(corpus):
    audio = corpus.parent / "audio"
    (audio / "clean.wav").unlink()
    (audio / "simu_noise.wav").unlink()
    fails(
        corpus,
        f"{corpus}: 2 of 3 utterance(s): no such audio file: correct the path "
        f"(clean-u: {audio}/clean.wav, simu-u: {audio}/simu_noise.wav)",
        nj=2,
    )


def test_kinds_of_fault_are_told_apart(corpus):
    audio = corpus.parent / "audio"
    (audio / "clean.wav").write_text("this is no audio")
    (audio / "real.wav").unlink()
    fails(corpus, "1 of 3 utterance(s): not a readable audio file: replace it (clean-u")
    fails(corpus, "\n1 of 3 utterance(s): no such audio file: correct the path (real-u")


@pytest.mark.parametrize("kept", [0, 30, 44, 45, 4000, 8043])
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_files_cut_short(tmp_path, kept, suffix):
    path = tmp_path / f"a.{suffix}"
    write_audio(path, np.random.default_rng(0).uniform(-1, 1, 4000), FS)
    whole = path.read_bytes()
    assert len(whole) > kept
    path.write_bytes(whole[:kept])
    with pytest.raises(AudioError, match="a readable audio file|is truncated: replace it"):
        read_audio(path)


def test_a_wav_file_from_a_pipe_has_no_size_and_is_whole(tmp_path, tone):
    path = tmp_path / "a.wav"
    write_audio(path, tone(0.5), FS)
    content = bytearray(path.read_bytes())
    content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert len(read_audio(path)[0]) == 4000


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_finite(corpus, bad, tone):
    samples = tone(0.6)
    samples[17] = bad
    path = corpus.parent / "audio" / "real.wav"
    soundfile.write(path, samples, FS, subtype="FLOAT")
    fails(corpus, f"1 of 3 utterance(s): audio has samples that are not finite (NaN or inf): "
                  f"replace it (real-u: {path})")  # fmt: skip
    with pytest.raises(AudioError, match="refusing to write samples that are not finite"):
        write_audio(corpus.parent / "x.wav", samples, FS)


@pytest.mark.parametrize("seconds", [1 / 48000, 2 / 48000])
def test_audio_of_which_nothing_is_left(corpus, seconds, tone):
    path = corpus.parent / "audio" / "real.wav"
    write_audio(path, 0.1 + tone(seconds, fs=48000), 48000)
    message = "1 of 3 utterance(s): audio is too short to have a sample at the requested rate"
    fails(corpus, f"{message}: leave it out (real-u: {path})")
    with pytest.raises(UserError, match=re.escape(message)):
        validate_data_dir.main([str(corpus), "--audio", "--nj", "1"])


@pytest.mark.parametrize("name, key", [("clean", "clean-u"), ("simu_clean", "simu-u")])
def test_silent_clean_speech(corpus, name, key, tone):
    path = corpus.parent / "audio" / f"{name}.wav"
    write_audio(path, 0 * tone(0.5 if name == "clean" else 0.75), FS)
    message = f"1 of 3 utterance(s): audio is silent: leave it out ({key}: {path})"
    fails(corpus, message)
    with pytest.raises(UserError, match=re.escape(message)):
        validate_data_dir.main([str(corpus), "--audio", "--nj", "1"])
    for silent in ("real", "simu_noise"):  # which may be
        write_audio(path.with_name(f"{silent}.wav"), 0 * tone(0.75), FS)
    write_audio(path, tone(0.75), FS)
    format_data_dir(corpus, corpus.parent / "out", FS)


def test_whole_numbers_in_floats_are_brought_into_range_alike(corpus):
    audio, out = corpus.parent / "audio", corpus.parent / "out"
    signals = {name: read_audio(audio / f"simu{name}.wav")[0] for name in ("", "_clean", "_noise")}
    for name, samples in signals.items():
        soundfile.write(audio / f"simu{name}.wav", 32768 * samples, FS, subtype="FLOAT")
    format_data_dir(corpus, out, FS)
    for table, name in (("wav.scp", ""), ("spk1.scp", "_clean"), ("noise1.scp", "_noise")):
        path = read_table(out / table)["simu-u"]
        assert path == f"{out}/data/{table[:-4]}/simu-u.wav"
        np.testing.assert_allclose(soundfile.read(path)[0], signals[name], atol=1e-4)


@pytest.mark.parametrize("audio_format", ["wav", "flac"])
def test_what_other_programs_would_not_read_alike_is_converted(corpus, audio_format):
    audio, out = corpus.parent / "audio", corpus.parent / "out"
    clean, real = (audio / f"{name}.wav" for name in ("clean", "real"))
    clean.write_bytes(encoded(read_audio(clean)[0], "WAV", "GSM610"))
    real.write_bytes(flac_without_length(encoded(read_audio(real)[0], "FLAC")))
    format_data_dir(corpus, out, FS, audio_format)
    lengths = read_table(out / "utt2num_samples")
    for key, path in read_table(out / "wav.scp").items():
        if key != "simu-u":
            assert path == f"{out}/data/wav/{key}.{audio_format}"
        samples, rate = soundfile.read(path)  # as ESPnet does
        assert (str(len(samples)), rate) == (lengths[key], FS)


def test_empty_audio(corpus):
    soundfile.write(corpus.parent / "audio" / "real.wav", np.zeros(0), FS)
    fails(corpus, "1 of 3 utterance(s): audio file has no samples: leave it out (real-u")


def test_lengths_must_agree(corpus, tone):
    write_audio(corpus.parent / "audio" / "simu_clean.wav", tone(0.5), FS)
    fails(
        corpus,
        "1 of 3 utterance(s): noisy, clean and noise files differ in length: cut or pad them alike "
        f"(simu-u: {corpus.parent}/audio/simu.wav "
        "(samples: wav.scp 6000, spk1.scp 4000, noise1.scp 6000))",
    )


def test_clipping_is_refused_and_leaves_the_old_file(tmp_path, tone):
    path = tmp_path / "a.wav"
    write_audio(path, tone(0.1), FS)
    before = path.read_bytes()
    with pytest.raises(AudioError, match="a.wav: refusing to clip"):
        write_audio(path, np.array([0.0, 1.01]), FS)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_16_bit_samples_survive_writing_and_reading(tmp_path, suffix):
    samples = np.arange(-(2**15), 2**15) / 2**15
    write_audio(tmp_path / f"a.{suffix}", samples, FS)
    np.testing.assert_array_equal(read_audio(tmp_path / f"a.{suffix}")[0], samples)


def test_an_interrupted_run_keeps_the_old_output_and_can_be_run_again(corpus, monkeypatch):
    out = corpus.parent / "out"
    format_data_dir(corpus, out, FS, "flac")
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(format_module, "write_tables", interrupted)
        with pytest.raises(KeyboardInterrupt):
            format_data_dir(corpus, out, FS, "wav")
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    shutil.copytree(out, corpus.parent / ".out.new")  # as a killed run leaves it
    format_data_dir(corpus, out, FS, "wav")
    assert not (out / "data").exists() and not (corpus.parent / ".out.new").exists()


def die(_):
    os._exit(9)


def test_a_killed_process_stops_the_step(corpus):
    with pytest.raises(UserError, match=r"step: a process was killed \(memory\?\): lower --nj"):
        map_utterances(die, DataDir.read(corpus), 2, "step")


STUCK = """
import os, sys, time
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir
from espnet_cbpc.data.kaldi.signals import map_utterances

def stuck(_):
    print(os.getpid(), flush=True)
    time.sleep(60)

if __name__ == "__main__":
    map_utterances(stuck, DataDir.read(sys.argv[1]), 2, "step")
"""


def test_no_process_outlives_a_killed_command(corpus):
    script = corpus.parent / "stuck.py"
    script.write_text(STUCK)
    command = subprocess.Popen(
        [sys.executable, str(script), str(corpus)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert int(command.stdout.readline()) != command.pid
    command.kill()
    command.communicate(timeout=30)  # raises while a process still holds the pipe


def test_bad_options(corpus):
    fails(corpus, "--nj 0: must be at least 1", nj=0)
    with pytest.raises(UserError, match="in is both input and output"):
        format_data_dir(corpus, corpus.parent / "audio" / ".." / "in", FS)
    (corpus / "text").unlink()
    fails(corpus, "text: cannot be read")
    format_data_dir(corpus, corpus.parent / "out", FS, require_text=False)
    with pytest.raises(SystemExit):
        main([str(corpus), str(corpus.parent / "out"), "--fs", "-8k"])
    assert [sampling_rate(rate) for rate in ("8000", "16k", "44.1K")] == [8000, 16000, 44100]
