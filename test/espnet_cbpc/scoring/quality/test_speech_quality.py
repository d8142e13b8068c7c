# SPDX-License-Identifier: Apache-2.0
"""Speech quality: values against the libraries, edge cases, and refused input."""

import math
import os
import re
import signal
import subprocess
import sys

import fast_bss_eval
import numpy as np
import pesq as library
import pytest
import soundfile
from pesq import pesq
from pystoi import stoi

from espnet_cbpc.bin import score_enh
from espnet_cbpc.scoring.quality import guarded_pesq
from espnet_cbpc.scoring.quality import set_quality as scoring
from espnet_cbpc.scoring.quality.guarded_pesq import speech_stretches
from espnet_cbpc.scoring.quality.measures import MEASURES, chosen_measures, made_with
from espnet_cbpc.scoring.quality.segmental_snr import segmental_snr
from espnet_cbpc.scoring.quality.set_quality import mean_of_defined
from espnet_cbpc.scoring.quality.utterance_quality import sdr, si_sdr, speech_quality
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.fence import Fence

DEFAULT_AT_ANY_RATE = {"CSIG", "CBAK", "COVL", "STOI", "ESTOI", "SI_SDR", "SDR", "SEGSNR"}


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
    assert scores["STOI"] == pytest.approx(stoi(ref, inf, fs), rel=1e-12)
    assert scores["ESTOI"] == pytest.approx(stoi(ref, inf, fs, extended=True), rel=1e-9)
    expected = fast_bss_eval.sdr(ref[None], inf[None], filter_length=512, clamp_db=100.0)[0]
    assert scores["SDR"] == pytest.approx(expected, abs=1e-6)
    worse = speech_quality(ref, noisy(ref, 0.2), fs)
    assert all(worse[metric] < scores[metric] for metric in (name, "STOI", "ESTOI", "SI_SDR"))


def test_scoring_does_without_torch():
    code = "import sys; from espnet_cbpc.bin import score, score_enh; exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_pauses_are_left_out_as_pystoi_does():
    ref = np.concatenate([speech_like(1, 10000), np.zeros(7000), speech_like(1, 10000, seed=1)])
    inf = noisy(ref, 0.05)
    for samples in (9000, 11111, 16960, len(ref)):
        scores = speech_quality(ref[:samples], inf[:samples], 10000, ("STOI",))
        assert scores["STOI"] == pytest.approx(stoi(ref[:samples], inf[:samples], 10000), rel=1e-12)


def test_other_rates_are_scored_at_16_khz():
    ref = speech_like(2, 20000)
    scores = speech_quality(ref, noisy(ref, 0.02), 20000)
    assert set(scores) == {*DEFAULT_AT_ANY_RATE, "PESQ_WB"}
    assert 1 < scores["PESQ_WB"] < 4.65


def test_si_sdr_of_orthogonal_noise_in_closed_form():
    ref = np.array([1.0, -1.0, 1.0, -1.0])
    noise = np.array([1.0, 1.0, -1.0, -1.0])
    for scale, offset in ((1, 0), (0.1, 0), (7, 3)):
        assert si_sdr(ref + offset, scale * (ref + 0.1 * noise)) == pytest.approx(20.0)


def test_si_sdr_agrees_with_fast_bss_eval():
    rng = np.random.default_rng(0)
    for length in (50, 400, 8000):
        ref = rng.standard_normal(length) + 0.3
        inf = 0.5 * ref + 0.2 * rng.standard_normal(length)
        expected = fast_bss_eval.si_sdr(ref[None], inf[None], zero_mean=True)[0]
        assert si_sdr(ref, inf) == pytest.approx(expected, abs=1e-5)


def test_sdr_is_that_of_the_best_filter_by_least_squares():
    rng = np.random.default_rng(0)
    ref = rng.standard_normal(1500)
    inf = np.convolve(ref, [1, 0.5, -0.3])[:1500] + 0.3 * rng.standard_normal(1500)
    length = 1500 + 511
    delayed = np.stack([np.pad(ref, (k, length - 1500 - k)) for k in range(512)], axis=1)
    padded = np.pad(inf, (0, 511))
    target = delayed @ np.linalg.lstsq(delayed, padded, rcond=None)[0]
    expected = 10 * np.log10(np.sum(target**2) / np.sum((padded - target) ** 2))
    assert sdr(ref, inf) == pytest.approx(expected, abs=1e-3)
    assert sdr(ref, inf) > si_sdr(ref, inf) + 3  # to which the filter is a distortion


def test_sdr_of_the_reference_itself_is_limited():
    ref = np.random.default_rng(0).standard_normal(4000)
    assert sdr(ref, 2 * ref) == pytest.approx(100, abs=1e-3)
    assert math.isnan(sdr(np.zeros(4000), ref))


def test_what_was_not_asked_for_is_not_computed(monkeypatch):
    for name in ("pesq", "composite", "stoi_and_estoi", "sdr", "dnsmos"):
        monkeypatch.setattr(f"espnet_cbpc.scoring.quality.utterance_quality.{name}", None)
    ref = speech_like(1, 8000)
    inf = noisy(ref, 0.02)
    scores = speech_quality(ref, inf, 8000, ("SEGSNR", "SI_SDR"))
    assert scores == {"SI_SDR": si_sdr(ref, inf), "SEGSNR": segmental_snr(ref, inf, 8000)}


def test_narrow_band_pesq_at_16_khz():
    ref = speech_like(2, 16000)
    inf = noisy(ref, 0.02)
    scores = speech_quality(ref, inf, 16000, ("PESQ_NB",))
    assert scores == {"PESQ_NB": pytest.approx(pesq(16000, ref, inf, "nb"))}
    both = speech_quality(ref, inf, 16000, ("PESQ_NB", "COVL"))
    assert both["PESQ_NB"] == scores["PESQ_NB"]
    assert both["COVL"] == speech_quality(ref, inf, 16000)["COVL"]  # by wide-band PESQ


@pytest.mark.slow  # its imports
def test_dnsmos_is_that_of_speechmos():
    reason = "SKIPPED: pip install 'espnet-cbpc[dnsmos]'"
    model = pytest.importorskip("speechmos.dnsmos", reason=reason)
    ref = speech_like(2, 16000)
    scores = speech_quality(ref, 20 * ref, 16000, chosen_measures(("DNSMOS",), 16000))
    expected = model.run(ref / np.abs(ref).max(), 16000)
    assert scores == {
        "DNSMOS_OVRL": pytest.approx(expected["ovrl_mos"]),
        "DNSMOS_SIG": pytest.approx(expected["sig_mos"]),
        "DNSMOS_BAK": pytest.approx(expected["bak_mos"]),
        "DNSMOS_P808": pytest.approx(expected["p808_mos"]),
    }


def test_choices_of_measures(monkeypatch):
    default = chosen_measures(("default",), 8000)
    assert set(default) == {*DEFAULT_AT_ANY_RATE, "PESQ_NB"}
    assert chosen_measures(("SDR", "STOI", "SDR"), 8000) == ("STOI", "SDR")
    without = set(default) | {"PESQ_WB"}
    installed = {"librosa": 1, "pesq": 1}
    monkeypatch.setattr("espnet_cbpc.utils.extras.find_spec", installed.get)
    assert set(chosen_measures(("all",), 16000)) == without
    assert set(chosen_measures(("all",), 8000)) == set(default)
    del installed["pesq"]
    assert chosen_measures(("all",), 8000) == ("STOI", "ESTOI", "SI_SDR", "SDR", "SEGSNR")
    monkeypatch.setattr("espnet_cbpc.utils.extras.find_spec", lambda package: True)
    assert chosen_measures(("all",), 16000) == tuple(MEASURES)


@pytest.mark.parametrize(
    "name, message",
    [
        ("PESQ", "unknown measure 'PESQ': choose from default, all, DNSMOS, PESQ_NB, PESQ_WB, "),
        ("PESQ_WB", "PESQ_WB is not defined for speech of 8000 Hz: ask for PESQ_NB"),
        (
            "DNSMOS",
            "DNSMOS_OVRL needs speechmos, onnxruntime, which are not installed: "
            "pip install 'espnet-cbpc[dnsmos]', or name other measures",
        ),
        (
            "default",
            "PESQ_NB needs pesq, which is not installed: "
            "pip install 'espnet-cbpc[pesq]', or name other measures",
        ),
    ],
)
def test_measures_that_cannot_be_had(monkeypatch, name, message):
    monkeypatch.setattr("espnet_cbpc.utils.extras.find_spec", {"librosa": 1}.get)
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        chosen_measures((name,), 8000)


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
    assert math.isnan(sdr(ref[:511], ref[:511]))


def test_mean_leaves_out_and_counts_what_is_not_finite():
    assert mean_of_defined([1.0, math.nan, 3.0, math.inf]) == (2.0, 2, 2)
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
        "SDR_spk1",
        "SEGSNR_spk1",
        "SI_SDR_spk1",
        "STOI_spk1",
        "cache.jsonl",
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


def counted(monkeypatch):
    """Return the list that the measures of each pair that is computed go to."""
    computed = []

    def count(ref, inf, fs, measures):
        computed.append(measures)
        return speech_quality(ref, inf, fs, measures)

    monkeypatch.setattr(scoring, "speech_quality", count)
    return computed


def results(folder):
    return {p.name: p.read_text() for p in folder.iterdir() if p.name != "cache.jsonl"}


def test_nothing_is_computed_twice(files, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    computed = counted(monkeypatch)
    score_enh.main([*files, "--nj=1", "--measures", "SI_SDR", "SEGSNR"])
    first = results(tmp_path / "out")
    assert computed == [("SI_SDR", "SEGSNR")] * 3
    score_enh.main([*files, "--nj=1", "--measures", "SI_SDR", "SEGSNR"])
    assert len(computed) == 3 and results(tmp_path / "out") == first
    assert "3 of 3 utterances were scored before" in caplog.text
    score_enh.main([*files, "--nj=1", "--measures", "SI_SDR", "STOI"])
    assert computed[3:] == [("STOI",)] * 3
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"SI_SDR_spk1", "STOI_spk1", "result.txt", "cache.jsonl"}
    score_enh.main([*files, "--nj=1", "--measures", "SI_SDR", "SEGSNR"])
    assert len(computed) == 6 and results(tmp_path / "out") == first


def test_what_changed_is_computed_again(files, tmp_path, monkeypatch):
    computed = counted(monkeypatch)
    options = [*files, "--nj=1", "--measures", "SI_SDR", "STOI"]
    score_enh.main(options)
    soundfile.write(tmp_path / "b_inf.wav", speech_like(1, 8000, 5), 8000, subtype="FLOAT")
    score_enh.main(options)
    assert computed[3:] == [("STOI", "SI_SDR")]
    made_with.cache_clear()
    monkeypatch.setattr("espnet_cbpc.scoring.quality.measures.version", lambda package: "another")
    score_enh.main(options)
    made_with.cache_clear()
    assert computed[4:] == [("STOI",)] * 3


def test_a_killed_run_is_gone_on_with(files, tmp_path, monkeypatch):
    computed = counted(monkeypatch)
    options = [*files, "--nj=1", "--measures", "SI_SDR"]
    score_enh.main(options)
    expected = results(tmp_path / "out")
    cache = tmp_path / "out" / "cache.jsonl"
    lines = cache.read_text().splitlines()
    cache.write_text(lines[0] + "\n" + lines[1][:-9])  # killed while it wrote the second
    score_enh.main(options)
    assert len(computed) == 3 + 2 and results(tmp_path / "out") == expected
    score_enh.main(options)
    assert len(computed) == 5


@pytest.mark.parametrize(
    "damage",
    ["\0" * 40, "5", "null", "[]", '{"key": 1}', '{"key": "a", "fs": 8000, "values": {"SDR": 3}}'],
)
def test_a_damaged_line_of_the_cache_costs_its_own_values(files, tmp_path, monkeypatch, damage):
    computed = counted(monkeypatch)
    options = [*files, "--nj=1", "--measures", "SI_SDR"]
    score_enh.main(options)
    expected = results(tmp_path / "out")
    cache = tmp_path / "out" / "cache.jsonl"
    first, *others = cache.read_text().splitlines()
    cache.write_text("\n".join([damage, *others]))
    score_enh.main(options)
    assert len(computed) == 3 + 1 and results(tmp_path / "out") == expected


def test_rates_of_a_set_must_agree(files, tmp_path):
    for kind in ("ref", "inf"):
        soundfile.write(tmp_path / f"b_{kind}.wav", speech_like(1, 16000), 16000)
    refused(files, "spk1.scp: sampling rates differ (8000, 16000 Hz): use one")


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
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"cache.jsonl"}


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


def pauses(count, fs=8000):
    """Return a number of stretches of speech, parted by pauses, and a noisy version."""
    stretch = speech_like(0.4, fs)[: round(0.2 * fs)]  # a syllable
    ref = np.tile(np.concatenate([np.repeat(stretch, 2), np.zeros(round(0.3 * fs))]), count)
    return ref, noisy(ref, 0.005)


def test_pesq_of_more_pauses_than_it_has_room_for_is_undefined():
    fs, names = 16000, ("PESQ_NB", "COVL", "SI_SDR", "STOI")
    few, many = (speech_quality(*pauses(count, fs), fs, names) for count in (20, 48))
    assert many == pytest.approx(few, rel=0.03)
    for count in (52, 150):  # where the library is wrong, and where it crashes
        scores = speech_quality(*pauses(count, fs), fs, names)
        assert math.isnan(scores.pop("PESQ_NB")) and not math.isnan(many["COVL"])
        assert math.isnan(scores.pop("COVL"))
        assert scores == pytest.approx({name: few[name] for name in scores}, rel=0.03)


@pytest.mark.parametrize("count", [1, 20, 47])
@pytest.mark.parametrize("fs", [8000, 16000])
def test_stretches_of_speech(count, fs):
    assert speech_stretches(pauses(count, fs)[0], fs) == count


def crash(*_):
    os.kill(os.getpid(), signal.SIGSEGV)


def test_a_crash_of_native_code_costs_one_value(files, tmp_path, monkeypatch, caplog):
    real = library.pesq
    ref = soundfile.read(tmp_path / "b_ref.wav")[0]
    monkeypatch.setattr(guarded_pesq, "_fenced", Fence())
    monkeypatch.setattr(library, "pesq", CrashesOn(ref, real))
    score_enh.main([*files, "--nj=1", "--measures", "PESQ_NB", "CSIG", "STOI"])
    values = {
        name: dict(line.split() for line in (tmp_path / f"out/{name}_spk1").open())
        for name in ("PESQ_NB", "CSIG", "STOI")
    }
    assert values["PESQ_NB"]["b"] == values["CSIG"]["b"] == "nan"
    assert float(values["PESQ_NB"]["a"]) > 1 and float(values["STOI"]["b"]) > 0.5
    assert re.search(r"^PESQ_NB +[\d.]+ +1 +2$", (tmp_path / "out/result.txt").read_text(), re.M)
    assert "PESQ_NB is undefined for one or more utterances (Crashed: SIGSEGV)" in caplog.text


class CrashesOn:
    """PESQ that crashes on one reference."""

    def __init__(self, ref, otherwise):
        self.ref, self.otherwise = ref, otherwise

    def __call__(self, fs, ref, inf, mode):
        if np.array_equal(ref, self.ref):
            crash()
        return self.otherwise(fs, ref, inf, mode)


@pytest.mark.parametrize("samples", [1, 2, 10, 200, 400])
@pytest.mark.parametrize("fs", [8000, 16000, 44100])
def test_of_next_to_nothing_measures_are_undefined(samples, fs):
    ref = np.random.default_rng(0).standard_normal(samples)
    scores = speech_quality(ref, noisy(ref, 0.1), fs)
    assert all(math.isnan(scores[name]) for name in ("STOI", "ESTOI", "SDR", "COVL"))


@pytest.mark.parametrize(
    "name, lost",
    [
        ("pesq", {"PESQ_NB", "CSIG", "CBAK", "COVL"}),
        ("composite", {"CSIG", "CBAK", "COVL"}),
        ("stoi_and_estoi", {"STOI", "ESTOI"}),
        ("sdr", {"SDR"}),
        ("si_sdr", {"SI_SDR"}),
        ("segmental_snr", {"SEGSNR"}),
    ],
)
def test_whatever_a_library_raises_costs_its_own_values(monkeypatch, name, lost):
    def broken(*_, **__):
        raise ZeroDivisionError("inside the library")

    ref = speech_like(1, 8000)
    whole = speech_quality(ref, noisy(ref, 0.02), 8000)
    monkeypatch.setattr(f"espnet_cbpc.scoring.quality.utterance_quality.{name}", broken)
    scores = speech_quality(ref, noisy(ref, 0.02), 8000)
    assert {measure for measure, value in scores.items() if math.isnan(value)} == lost
    kept = {measure: whole[measure] for measure in whole.keys() - lost}
    assert {measure: scores[measure] for measure in kept} == pytest.approx(kept)
