# SPDX-License-Identifier: Apache-2.0
"""Texts before they are compared: as they are, or after Whisper's own normalisation."""

import json
import sys

import pytest

from espnet_cbpc.bin import report, score
from espnet_cbpc.scoring.report.markdown import read_scores
from espnet_cbpc.scoring.wer import text_normalizer
from espnet_cbpc.scoring.wer.score_wer import normalizer_of, score_asr
from espnet_cbpc.scoring.wer.text_normalizer import normalized
from espnet_cbpc.utils.cli import UserError

REF = {"a": "Mr. Hart paid twenty-five dollars.", "b": "Um.", "c": "The colour was gray!"}
HYP = {"a": "mister hart paid $25", "b": "yes", "c": "the color was green"}


@pytest.fixture
def folders(tmp_path):
    """A set and two systems: one that is right but for its spelling, and one that heard HYP."""

    def write(path, table):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{key} {text}".strip() + "\n" for key, text in table.items()))

    write(tmp_path / "raw/test/text", REF)
    write(tmp_path / "raw/test/utt2spk", dict.fromkeys(REF, "s"))
    write(tmp_path / "right/test/text", {**{k: v.upper() for k, v in REF.items()}, "b": ""})
    write(tmp_path / "wrong/test/text", HYP)
    return tmp_path


def options(folders, *more):
    systems = [f"{name}={folders / name}" for name in ("right", "wrong")]
    words = ["--systems", *systems, "--sets", "test", "--data_root", str(folders / "raw")]
    return [*words, "--resamples", "10", *more]


def test_without_a_normaliser_texts_stay_as_they_are():
    assert normalized(REF, "none") == REF


def test_unknown_normaliser(folders):
    with pytest.raises(UserError, match="^--text_normalizer en: must be none or whisper_en$"):
        normalized(REF, "en")
    with pytest.raises(UserError, match="^--text_normalizer en: must be none or whisper_en$"):
        report.main(options(folders, "--text_normalizer", "en"))


def test_missing_package_is_named(folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "whisper", None)
    text_normalizer._whisper_en.cache_clear()
    with pytest.raises(UserError, match=r"pip install 'espnet-cbpc\[whisper\]'"):
        normalized(REF, "whisper_en")
    for command in (report, score):
        words = ["--outdir", str(folders / "out")] if command is score else []
        with pytest.raises(UserError, match=r"pip install 'espnet-cbpc\[whisper\]'"):
            command.main(options(folders, "--text_normalizer", "whisper_en", *words))


@pytest.fixture
def whisper():
    text_normalizer._whisper_en.cache_clear()
    return pytest.importorskip("whisper.normalizers", reason="openai-whisper is not installed")


def test_it_is_whispers_own(whisper):
    normalize = whisper.EnglishTextNormalizer()
    assert normalized(REF, "whisper_en") == {key: normalize(text) for key, text in REF.items()}
    assert normalized(REF, "whisper_en")["b"] == ""


def test_errors_are_counted_on_normalised_texts(whisper, folders):
    data, wrong = folders / "raw/test", folders / "wrong/test"
    total = score_asr(data / "text", wrong / "text", data / "utt2spk", wrong, "whisper_en")["wer"]
    # "yes" where nothing is left of the reference, and "green" for "gray"
    assert (total.insertions, total.substitutions, total.deletions) == (1, 1, 0)
    assert (wrong / "score_wer/ref.trn").read_text().splitlines()[1] == " (s-b)"
    heading = (wrong / "score_wer/result.txt").read_text().splitlines()[:3]
    assert heading[1:] == ["text normalizer: whisper_en", ""]


def test_no_reference_is_left(whisper, folders):
    data, wrong = folders / "raw/test", folders / "wrong/test"
    (data / "text").write_text("a Uh.\nb Um, hmm.\nc [noise]\n")
    with pytest.raises(UserError, match="no reference has words, so that no rate is defined"):
        score_asr(data / "text", wrong / "text", data / "utt2spk", wrong, "whisper_en")


def test_report_and_score_agree_and_name_it(whisper, folders):
    chosen = ("--text_normalizer", "whisper_en")
    report.main(options(folders, *chosen, "--output", str(folders / "report/RESULTS.md")))
    score.main(options(folders, *chosen, "--outdir", str(folders / "score")))
    for name in ("report", "score"):
        found = json.loads((folders / name / "results.json").read_text())
        assert found["text_normalizer"] == "whisper_en"
        wer = {system: of["test"]["total"]["errors"] for system, of in found["wer"].items()}
        assert wer == {"right": 0, "wrong": 2}
        assert found["cer"]["right"]["test"]["total"]["errors"] == 0
        note = (
            "Texts are compared as Whisper's own evaluation does: after its English text "
            "normalisation (whisper_en)."
        )
        assert note in (folders / name / "RESULTS.md").read_text()
        assert read_scores(folders / name / "results.json", "wrong").endswith(note)


def test_without_it_results_do_not_speak_of_it(folders):
    report.main(options(folders, "--output", str(folders / "report/RESULTS.md")))
    assert "text_normalizer" not in json.loads((folders / "report/results.json").read_text())
    assert "Texts are compared" not in (folders / "report/RESULTS.md").read_text()
    assert "Texts are compared" not in read_scores(folders / "report/results.json", "wrong")


def test_another_normaliser_scores_again(whisper, folders):
    result = folders / "wrong/test/score_wer/result.txt"
    score.main(options(folders, "--outdir", str(folders / "score")))
    assert normalizer_of(result) == "none"
    before = result.read_bytes()
    score.main(
        options(folders, "--outdir", str(folders / "score"), "--text_normalizer", "whisper_en")
    )
    assert normalizer_of(result) == "whisper_en"
    score.main(options(folders, "--outdir", str(folders / "score")))
    assert result.read_bytes() == before
