"""The report against a recomputation from the files it was made from."""

import json
import re
import subprocess

import jiwer
import numpy as np
import pytest

from espnet_cbpc.bin import report
from espnet_cbpc.scoring.provenance import provenance
from espnet_cbpc.utils.cli import UserError

WORDS = ["zero", "one", "two", "three", "four", "five"]
SNRS = ["-5", "0", "5", "10"]
SYSTEMS = {"ASR alone": "exp/asr", "SE|ASR": "exp/se_asr"}


def write(path, table):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{key} {value}".strip() + "\n" for key, value in table.items()))


def corrupt(text, rng):
    kept = [
        rng.choice(WORDS) if rng.random() < 0.3 else w for w in text.split() if rng.random() < 0.9
    ]
    return " ".join(kept)


def read(path):
    pairs = (line.split(maxsplit=1) for line in path.read_text().splitlines())
    return {pair[0]: pair[1] if len(pair) > 1 else "" for pair in pairs}


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    for set_name, count in (("test_clean", 20), ("test_seen", 40)):
        keys = [f"u{i:02d}" for i in range(count)]
        ref = {key: " ".join(rng.choice(WORDS, rng.integers(3, 8))) for key in keys}
        write(tmp_path / "raw" / set_name / "text", ref)
        for folder in SYSTEMS.values():
            hyp = {key: corrupt(text, rng) for key, text in ref.items()}
            write(tmp_path / folder / set_name / "text", hyp)
    write(tmp_path / "raw/test_seen/utt2snr", {key: SNRS[i % 4] for i, key in enumerate(keys)})
    for folder in (tmp_path / "noisy/test_seen", tmp_path / "exp/se_asr/test_seen/score_enh"):
        for metric in ("PESQ_NB", "STOI", "ESTOI", "SI_SDR"):
            scores = {key: repr(float(rng.normal())) for key in keys}
            scores["u00"] = "nan" if metric == "PESQ_NB" else scores["u00"]
            write(folder / f"{metric}_spk1", scores)
    return [
        "--systems", *(f"{name}={tmp_path / folder}" for name, folder in SYSTEMS.items()),
        "--sets", "test_clean", "test_seen",
        f"--data_root={tmp_path / 'raw'}",
        f"--noisy_scores={tmp_path / 'noisy'}",
        f"--output={tmp_path / 'RESULTS.md'}",
        "--header", "seed=7", "data=digits",
    ]  # fmt: skip


def sections(markdown):
    """Return the rows of each section's table as lists of cells, under its title."""
    found, title = {}, ""
    for line in markdown.splitlines():
        if line.startswith("#"):
            title = line.lstrip("# ")
        if line.startswith("| "):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            found.setdefault(title, []).append([cell.replace("\\|", "|") for cell in cells])
    return {title: rows[:1] + rows[2:] for title, rows in found.items()}


@pytest.fixture
def tables(files, tmp_path):
    report.main(files)
    return sections((tmp_path / "RESULTS.md").read_text())


def outside_wer(tmp_path, system, set_name, snr=None):
    """Recompute a rate in % from the files with jiwer alone."""
    ref = read(tmp_path / "raw" / set_name / "text")
    hyp = read(tmp_path / SYSTEMS[system] / set_name / "text")
    if snr is not None:
        snrs = read(tmp_path / "raw" / set_name / "utt2snr")
        ref = {key: text for key, text in ref.items() if snrs[key] == snr}
    return 100 * jiwer.wer(list(ref.values()), [hyp[key] for key in ref])


def test_summary_is_what_jiwer_says(tables, tmp_path):
    head, *rows = tables["WER (%)"]
    assert head == ["system", "test_clean", "test_seen", "test_seen, mean of 0, 5, 10 dB"]
    assert [row[0] for row in rows] == list(SYSTEMS)
    for system, clean, seen, mean in rows:
        assert clean == f"{outside_wer(tmp_path, system, 'test_clean'):.1f}"
        assert seen == f"{outside_wer(tmp_path, system, 'test_seen'):.1f}"
        by_snr = [outside_wer(tmp_path, system, "test_seen", snr) for snr in ("0", "5", "10")]
        assert mean == f"{np.mean(by_snr):.1f}"


def test_table_by_snr(tables, tmp_path):
    head, *rows = tables["test_seen: WER (%) by SNR"]
    assert head == ["system", "-5 dB", "0 dB", "5 dB", "10 dB", "all"]
    assert "test_clean: WER (%) by SNR" not in tables
    for system, *cells in rows:
        for snr, cell in zip([*SNRS, None], cells):
            wer, low, high = map(float, re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", cell).groups())
            assert wer == float(f"{outside_wer(tmp_path, system, 'test_seen', snr):.1f}")
            assert low < wer < high


def test_counts(tables, tmp_path):
    for title, unit in (("WER: counts of words", "words"), ("CER: counts of characters", "chars")):
        head, *rows = tables[title]
        assert len(rows) == 4
        for system, set_name, utterances, *counts, rate in rows:
            ref = read(tmp_path / "raw" / set_name / "text")
            hyp = read(tmp_path / SYSTEMS[system] / set_name / "text")
            pair = [ref[key] for key in ref], [hyp[key] for key in ref]
            out = jiwer.process_words(*pair) if unit == "words" else jiwer.process_characters(*pair)
            total, hits, *errors = map(int, counts)
            assert int(utterances) == len(ref)
            assert total == out.hits + out.substitutions + out.deletions
            assert sum(errors) == out.substitutions + out.deletions + out.insertions
            assert hits == total - errors[0] - errors[1]
            assert rate == f"{100 * (out.wer if unit == 'words' else out.cer):.1f}"


def test_quality_is_the_mean_of_the_files(tables, tmp_path):
    head, *rows = tables["Speech quality: test_seen"]
    assert head == ["SNR", "system", "PESQ (narrow band)", "STOI", "ESTOI", "SI-SDR (dB)"]
    assert [row[:2] for row in rows[:2]] == [["-5 dB", "noisy speech"], ["-5 dB", "SE|ASR"]]
    assert [row[0] for row in rows[-2:]] == ["all", "all"]
    snrs = read(tmp_path / "raw/test_seen/utt2snr")
    folders = {"noisy speech": tmp_path / "noisy/test_seen"}
    folders["SE|ASR"] = tmp_path / "exp/se_asr/test_seen/score_enh"
    for group, system, *cells in rows:
        for metric, digits, cell in zip(
            ("PESQ_NB", "STOI", "ESTOI", "SI_SDR"), (2, 3, 3, 2), cells
        ):
            scores = read(folders[system] / f"{metric}_spk1")
            chosen = [float(v) for k, v in scores.items() if group in ("all", f"{snrs[k]} dB")]
            undefined = sum(np.isnan(chosen))
            expected = f"{np.nanmean(chosen):.{digits}f}"
            assert cell == expected + (f" ({undefined} undefined)" if undefined else "")


def test_json_has_the_same_numbers(tables, tmp_path):
    numbers = json.loads((tmp_path / "results.json").read_text())
    for system, clean, _, mean in tables["WER (%)"][1:]:
        assert f"{100 * numbers['wer'][system]['test_clean']['total']['rate']:.1f}" == clean
        assert f"{100 * numbers['wer'][system]['test_seen']['mean']:.1f}" == mean
    assert numbers["quality"]["test_seen"]["noisy speech"]["total"]["PESQ_NB"]["undefined"] == 1
    assert numbers["header"]["seed"] == "7"
    assert {"date", "espnet_cbpc", "espnet", "torch", "python"} <= numbers["header"].keys()
    lines = (tmp_path / "RESULTS.md").read_text().splitlines()
    assert "* data: digits" in lines


def test_seed_changes_intervals_only(files, tables, tmp_path):
    report.main([*files, "--seed=1"])
    again = sections((tmp_path / "RESULTS.md").read_text())
    title = "test_seen: WER (%) by SNR"
    assert again[title] != tables[title]
    assert {k: v for k, v in again.items() if k != title} == {
        k: v for k, v in tables.items() if k != title
    }


def test_other_breakdown(files, tmp_path):
    keys = read(tmp_path / "raw/test_seen/text")
    write(tmp_path / "raw/test_seen/utt2noise", {key: "car" for key in list(keys)[:30]})
    report.main([*files, "--breakdown=utt2noise"])
    tables = sections((tmp_path / "RESULTS.md").read_text())
    assert tables["test_seen: WER (%) by noise"][0] == ["system", "car", "none", "all"]
    assert tables["WER (%)"][0] == ["system", "test_clean", "test_seen"]


def test_a_missing_hypothesis_is_an_error(files, tmp_path):
    path = tmp_path / "exp/asr/test_seen/text"
    path.write_text("".join(path.read_text().splitlines(True)[1:]))
    with pytest.raises(
        UserError, match=r"ASR alone on test_seen .*1 utterance\(s\) without hypo.*u00"
    ):
        report.main(files)
    assert not (tmp_path / "RESULTS.md").exists() and not (tmp_path / "results.json").exists()


def test_scores_of_other_utterances_are_refused(files, tmp_path):
    path = tmp_path / "exp/se_asr/test_seen/score_enh/STOI_spk1"
    path.write_text("".join(path.read_text().splitlines(True)[1:]))
    with pytest.raises(UserError, match=r"STOI of SE\|ASR is of other utterances .*\(1: u00\)"):
        report.main(files)


def test_commit_and_whether_it_is_all(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert provenance(tmp_path).get("commit") is None
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "a"], check=True)
    assert re.fullmatch(r"[0-9a-f]{12} \(clean\)", provenance(tmp_path)["commit"])
    (tmp_path / "new").write_text("")
    assert provenance(tmp_path)["commit"].endswith(" with uncommitted changes")


def test_no_negative_zero(files, tmp_path):
    for path in tmp_path.glob("**/SI_SDR_spk1"):
        write(path, {key: "-0.001" for key in read(path)})
    report.main(files)
    rows = sections((tmp_path / "RESULTS.md").read_text())["Speech quality: test_seen"][1:]
    assert {row[-1] for row in rows} == {"0.00"}


def test_noisy_scores_may_lie_in_score_enh(files, tables, tmp_path):
    noisy = tmp_path / "noisy" / "test_seen"
    noisy.rename(tmp_path / "score_enh")
    with pytest.raises(UserError, match="noisy: no scores of any of the sets: score the noisy"):
        report.main(files)
    noisy.mkdir()
    (tmp_path / "score_enh").rename(noisy / "score_enh")
    report.main(files)
    assert sections((tmp_path / "RESULTS.md").read_text()) == tables


def test_options_are_checked(files):
    with pytest.raises(UserError, match="--systems 'exp/asr': write it as NAME=VALUE"):
        report.main(["--systems", "exp/asr", "--sets", "a"])
    with pytest.raises(UserError, match="--systems: 'a' comes twice: names must differ"):
        report.main(["--systems", "a=b", "a=c", "--sets", "a"])
