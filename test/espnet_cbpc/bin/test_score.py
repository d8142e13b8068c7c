# SPDX-License-Identifier: Apache-2.0
"""The score command: from decoded text and enhanced speech to a report, each thing once."""

import json

import numpy as np
import pytest
import soundfile

from espnet_cbpc.bin import score
from espnet_cbpc.scoring.quality import set_quality
from espnet_cbpc.scoring.quality.utterance_quality import si_sdr
from espnet_cbpc.scoring.report import score_systems
from espnet_cbpc.utils.cli import UserError

KEYS = [f"u{i}" for i in range(6)]
SYSTEMS = {"asr": ["asr"], "se": ["se0", "se1"]}


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{key} {value}\n" for key, value in lines.items()))


@pytest.fixture
def options(tmp_path):
    """A noisy set with references and a clean one without, and systems that wrote to folders."""
    rng = np.random.default_rng(0)
    audio = tmp_path / "audio"
    audio.mkdir()
    clean = {key: rng.normal(size=4000) * 0.1 for key in KEYS}

    def speech(name, amount):
        for key in KEYS:
            samples = clean[key] + amount * rng.normal(size=4000)
            soundfile.write(audio / f"{name}_{key}.wav", samples, 8000, subtype="FLOAT")
        return {key: audio / f"{name}_{key}.wav" for key in KEYS}

    for name in ("noisy", "clean"):
        data = tmp_path / "raw" / name
        write(data / "text", dict.fromkeys(KEYS, "one two three"))
        write(data / "utt2spk", {key: f"s{i % 3}" for i, key in enumerate(KEYS)})
        write(data / "wav.scp", speech(f"in_{name}", 0.1))
        write(data / "spk1.scp", speech(f"ref_{name}", 0))
        write(data / "utt2category", dict.fromkeys(KEYS, "SIMU" if name == "noisy" else "CLEAN"))
        for folder, right in (("asr", 2), ("se0", 3), ("se1", 5)):
            text = {k: "one two three" if i < right else "one too" for i, k in enumerate(KEYS)}
            write(tmp_path / folder / name / "text", text)
            if folder != "asr":
                scp = speech(f"{folder}_{name}", 0.05)
                write(tmp_path / folder / name / "enhanced" / "spk1.scp", scp)
    systems = (
        f"{name}={','.join(str(tmp_path / folder) for folder in folders)}"
        for name, folders in SYSTEMS.items()
    )
    return [
        "--data_root", str(tmp_path / "raw"), "--sets", "noisy", "clean", "--systems", *systems,
        "--outdir", str(tmp_path / "scores"), "--measures", "SI_SDR", "SEGSNR", "--nj", "1",
        "--breakdown", "utt2spk",
    ]  # fmt: skip


def test_from_folders_to_a_report(options, tmp_path):
    score.main(options)
    report = json.loads((tmp_path / "scores" / "results.json").read_text())
    wrong, words = 2, 3  # a substitution and a deletion in three words
    assert report["wer"]["asr"]["clean"]["total"]["rate"] == 4 * wrong / (6 * words)
    seeds = report["wer"]["se"]["noisy"]["total"]["seeds"]
    assert seeds == pytest.approx([3 * wrong / (6 * words), 1 * wrong / (6 * words)])
    assert list(report["wer"]["se"]["noisy"]["groups"]) == ["s0", "s1", "s2"]
    assert list(report["quality"]) == ["noisy"]
    means = report["quality"]["noisy"]
    assert list(means) == ["noisy speech", "se"]
    for name, folders in (("noisy speech", ["in"]), ("se", SYSTEMS["se"])):
        values = [
            si_sdr(*(soundfile.read(tmp_path / f"audio/{f}_noisy_{k}.wav")[0] for f in ("ref", x)))
            for x in folders
            for k in KEYS
        ]
        assert means[name]["total"]["SI_SDR"]["mean"] == pytest.approx(np.mean(values), abs=1e-3)
    assert {t["measure"] for t in report["tests"]} == {"WER", "CER"}
    assert (tmp_path / "se1/noisy/score_wer/result.txt").exists()
    assert (tmp_path / "scores/noisy_scores/noisy/score_enh/SEGSNR_spk1").exists()
    assert not (tmp_path / "se0/clean/score_enh").exists()
    assert "## Paired tests" in (tmp_path / "scores" / "RESULTS.md").read_text()


def test_what_is_up_to_date_is_not_made_again(options, tmp_path, monkeypatch):
    score.main(options)
    made = {"text": 0, "speech": 0}

    def counting(kind, function):
        def count(*args):
            made[kind] += 1
            return function(*args)

        return count

    monkeypatch.setattr(score_systems, "score_asr", counting("text", score_systems.score_asr))
    monkeypatch.setattr(
        set_quality, "speech_quality", counting("speech", set_quality.speech_quality)
    )
    score.main(options)
    assert made == {"text": 0, "speech": 0}
    write(tmp_path / "se0/noisy/text", dict.fromkeys(KEYS, "one"))
    samples = np.random.default_rng(1).normal(size=4000) * 0.1
    soundfile.write(tmp_path / "audio/se1_noisy_u3.wav", samples, 8000, subtype="FLOAT")
    score.main(options)
    assert made == {"text": 1, "speech": 1}
    report = json.loads((tmp_path / "scores" / "results.json").read_text())
    assert report["wer"]["se"]["noisy"]["total"]["seeds"][0] == pytest.approx(2 / 3)


def test_missing_output_of_a_system_is_named(options, tmp_path):
    (tmp_path / "se1/noisy/text").unlink()
    with pytest.raises(UserError, match="se1/noisy/text: cannot be read"):
        score.main(options)
    assert not (tmp_path / "scores" / "results.json").exists()


def test_what_cannot_be_scored_does_not_keep_the_rest_from_it(options, tmp_path):
    (tmp_path / "asr/noisy/text").unlink()
    (tmp_path / "audio/se0_noisy_u3.wav").write_bytes(b"no audio")
    with pytest.raises(UserError) as e:
        score.main(options)
    assert str(e.value).startswith("2 of 9 scorings are faulty: ")
    assert "asr/noisy/text: cannot be read" in str(e.value)
    assert "1 of 6 utterance(s) cannot be scored (u3: " in str(e.value)
    assert (tmp_path / "se1/noisy/score_enh/result.txt").exists()
    for name in ("asr/clean", "se0/noisy", "se0/clean", "se1/noisy", "se1/clean"):
        assert (tmp_path / name / "score_wer/result.txt").exists()
    assert not (tmp_path / "scores" / "results.json").exists()


def test_without_enhanced_speech_there_are_error_rates_alone(options, tmp_path):
    for path in tmp_path.glob("se*/*/enhanced/spk1.scp"):
        path.unlink()
    score.main(options)
    report = json.loads((tmp_path / "scores" / "results.json").read_text())
    assert report["quality"] == {}
    assert not (tmp_path / "scores" / "noisy_scores").exists()
