"""Speech quality: values against the libraries, edge cases, and refused input."""

import math
import re

import numpy as np
import pytest
import soundfile
from pesq import pesq
from pystoi import stoi

from espnet_cbpc.bin import score_enh
from espnet_cbpc.scoring.quality_metrics import si_sdr, speech_quality
from espnet_cbpc.scoring.speech_quality import mean_of_defined
from espnet_cbpc.utils.cli import UserError


def speech_like(seconds, fs, seed=0):
    """Return harmonics under syllables: enough for PESQ to find utterances."""
    t = np.arange(int(seconds * fs)) / fs
    f0 = 120 + 20 * np.sin(2 * np.pi * 1.3 * t + seed)
    phase = 2 * np.pi * np.cumsum(f0) / fs
    tone = sum(np.sin(k * phase) / k for k in range(1, 20))
    return 0.1 * tone * np.clip(np.sin(2 * np.pi * 2.5 * t), 0, None) ** 0.5


def noisy(clean, amount, seed=0):
    return clean + amount * np.random.default_rng(seed).standard_normal(len(clean))


@pytest.mark.parametrize("fs, mode, name", [(8000, "nb", "PESQ_NB"), (16000, "wb", "PESQ_WB")])
def test_values_are_those_of_the_libraries(fs, mode, name):
    ref = speech_like(2, fs)
    inf = noisy(ref, 0.02)
    scores = speech_quality(ref, inf, fs)
    assert scores[name] == pytest.approx(pesq(fs, ref, inf, mode))
    assert scores["STOI"] == pytest.approx(stoi(ref, inf, fs))
    assert scores["ESTOI"] == pytest.approx(stoi(ref, inf, fs, extended=True))
    worse = speech_quality(ref, noisy(ref, 0.2), fs)
    assert all(worse[metric] < scores[metric] for metric in (name, "STOI", "ESTOI", "SI_SDR"))


def test_other_rates_are_scored_at_16_khz():
    ref = speech_like(2, 20000)
    scores = speech_quality(ref, noisy(ref, 0.02), 20000)
    assert set(scores) == {"PESQ_WB", "CSIG", "CBAK", "COVL", "STOI", "ESTOI", "SI_SDR"}
    assert 1 < scores["PESQ_WB"] < 4.65


def test_si_sdr_of_orthogonal_noise_in_closed_form():
    ref = np.array([1.0, -1.0, 1.0, -1.0])
    noise = np.array([1.0, 1.0, -1.0, -1.0])
    for scale, offset in ((1, 0), (0.1, 0), (7, 3)):
        assert si_sdr(ref + offset, scale * (ref + 0.1 * noise)) == pytest.approx(20.0)


def test_si_sdr_agrees_with_fast_bss_eval():
    fast_bss_eval = pytest.importorskip("fast_bss_eval")
    rng = np.random.default_rng(0)
    for length in (50, 400, 8000):
        ref = rng.standard_normal(length) + 0.3
        inf = 0.5 * ref + 0.2 * rng.standard_normal(length)
        expected = fast_bss_eval.si_sdr(ref[None], inf[None], zero_mean=True)[0]
        assert si_sdr(ref, inf) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("silent", ["ref", "inf", "both"])
def test_silence_has_no_scores(silent):
    zeros, tone = np.zeros(8000), speech_like(1, 8000)
    ref, inf = (zeros if silent in (name, "both") else tone for name in ("ref", "inf"))
    assert all(math.isnan(value) for value in speech_quality(ref, inf, 8000).values())


def test_a_signal_too_short_for_pesq_and_stoi_still_has_an_si_sdr():
    ref = speech_like(1, 8000)[200:1700]
    scores = speech_quality(ref, noisy(ref, 0.01), 8000)
    undefined = {name for name, value in scores.items() if math.isnan(value)}
    assert undefined == {"PESQ_NB", "CSIG", "CBAK", "COVL", "STOI", "ESTOI"}


def test_mean_leaves_out_and_counts_nan():
    assert mean_of_defined([1.0, math.nan, 3.0]) == (2.0, 2, 1)
    mean, scored, undefined = mean_of_defined([math.nan])
    assert math.isnan(mean) and (scored, undefined) == (0, 1)


@pytest.fixture
def files(tmp_path):
    """Return four utterances: two scored, one silent, one real without reference."""
    refs, infs = [], []
    for i, key in enumerate(["a", "b", "c", "r"]):
        ref = speech_like(1, 8000, i) * (key != "c")
        soundfile.write(tmp_path / f"{key}_ref.wav", ref, 8000, subtype="FLOAT")
        soundfile.write(tmp_path / f"{key}_inf.wav", noisy(ref, 0.02), 8000, subtype="FLOAT")
        refs.append(f"{key} {tmp_path / key}_ref.wav\n")
        infs.append(f"{key} {tmp_path / key}_inf.wav\n")
    (tmp_path / "spk1.scp").write_text("".join(refs[:3]))
    (tmp_path / "wav.scp").write_text("".join(infs))
    (tmp_path / "utt2category").write_text("a SIMU\nb SIMU\nc SIMU\nr REAL\n")
    return [
        f"--ref_scp={tmp_path / 'spk1.scp'}",
        f"--inf_scp={tmp_path / 'wav.scp'}",
        f"--utt2category={tmp_path / 'utt2category'}",
        f"--outdir={tmp_path / 'out'}",
    ]


@pytest.mark.parametrize("nj", [1, 2])
def test_score_files(files, tmp_path, nj):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/PESQ_WB_spk1").write_text("a 4.5\n")
    score_enh.main([*files, f"--nj={nj}"])
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "CBAK_spk1",
        "COVL_spk1",
        "CSIG_spk1",
        "ESTOI_spk1",
        "PESQ_NB_spk1",
        "SI_SDR_spk1",
        "STOI_spk1",
        "result.txt",
    ]
    lines = [line.split() for line in (out / "PESQ_NB_spk1").read_text().splitlines()]
    assert [key for key, _ in lines] == ["a", "b", "c"]
    assert lines[2][1] == "nan"
    pair = (soundfile.read(tmp_path / f"a_{kind}.wav")[0] for kind in ("ref", "inf"))
    assert float(lines[0][1]) == pytest.approx(pesq(8000, *pair, "nb"))
    result = {
        row.split()[0]: row.split()[1:] for row in (out / "result.txt").read_text().splitlines()
    }
    assert result["PESQ_NB"][1:] == ["2", "1"]
    mean = np.mean([float(value) for _, value in lines[:2]])
    assert float(result["PESQ_NB"][0]) == pytest.approx(mean, abs=5e-5)


def refused(files, message):
    with pytest.raises(UserError, match=re.escape(message)):
        score_enh.main(files)


def test_lengths_and_rates_must_agree(files, tmp_path):
    soundfile.write(tmp_path / "a_inf.wav", np.ones(7999), 8000)
    soundfile.write(tmp_path / "b_inf.wav", np.ones(8000), 16000)
    refused(
        files,
        "2 of 3 utterance(s) cannot be scored (a: 7999 samples, its reference 8000, "
        "b: 16000 Hz, its reference 8000 Hz): correct the files",
    )
    assert not (tmp_path / "out").exists()


def test_missing_utterances_are_named(files, tmp_path):
    refused(files[:2] + files[3:], "1 utterance(s) (r) of ")
    (tmp_path / "wav.scp").write_text(f"a {tmp_path}/a_inf.wav\n")
    refused(files, "wav.scp: 2 utterance(s) (b, c) of ")
    (tmp_path / "utt2category").write_text("a SIMU\n")
    refused(files, "utt2category: 2 utterance(s) (b, c) missing: add their category")


def test_a_set_without_simulated_speech_is_refused(files, tmp_path):
    (tmp_path / "utt2category").write_text("a CLEAN\nb CLEAN\nc CLEAN\nr REAL\n")
    refused(files, "no utterance of category SIMU: clean and real recordings have no reference")


def test_missing_audio_names_the_utterance(files, tmp_path):
    (tmp_path / "b_ref.wav").unlink()
    refused(files, f"1 of 3 utterance(s) cannot be scored (b: {tmp_path}/b_ref.wav: no such audio")
