# SPDX-License-Identifier: Apache-2.0
"""The report against a recomputation from the files it was made from."""

import json
import re
import subprocess

import jiwer
import numpy as np
import pytest
from scipy.stats import ttest_1samp

from espnet_cbpc.bin import report
from espnet_cbpc.scoring.report.provenance import provenance
from espnet_cbpc.scoring.report.scoring_options import named_folders
from espnet_cbpc.scoring.statistics.seeds import mean_over_seeds
from espnet_cbpc.scoring.statistics.significance import matched_pairs
from espnet_cbpc.scoring.statistics.utterance_scores import TextErrors, read_hypotheses
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


def parsed(cell):
    """Return a number and the ends of its interval."""
    return map(float, re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", cell).groups())


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
    for system, *cells in rows:
        by_snr = [outside_wer(tmp_path, system, "test_seen", snr) for snr in ("0", "5", "10")]
        whole = [outside_wer(tmp_path, system, name) for name in ("test_clean", "test_seen")]
        for cell, expected in zip(cells, [*whole, np.mean(by_snr)]):
            rate, low, high = parsed(cell)
            assert f"{rate:.1f}" == f"{expected:.1f}"
            assert low < rate < high


def test_table_by_snr(tables, tmp_path):
    head, *rows = tables["test_seen: WER (%) by SNR"]
    assert head == ["system", "-5 dB", "0 dB", "5 dB", "10 dB", "all"]
    assert "test_clean: WER (%) by SNR" not in tables
    for system, *cells in rows:
        for snr, cell in zip([*SNRS, None], cells):
            wer, low, high = parsed(cell)
            assert wer == float(f"{outside_wer(tmp_path, system, 'test_seen', snr):.1f}")
            assert low < wer < high


def test_counts(tables, tmp_path):
    for title, unit in (("WER: counts of words", "words"), ("CER: counts of characters", "chars")):
        rows = tables[title][1:]
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
            undefined, mean = sum(np.isnan(chosen)), np.nanmean(chosen)
            tail = f" ({undefined} undefined)" if undefined else ""
            value, low, high, rest = re.fullmatch(r"(\S+)(?: \[(\S+), (\S+)\])?(.*)", cell).groups()
            assert (value, rest) == (f"{mean:.{digits}f}", tail)
            assert (low is None) == (group != "all")
            if low:
                half = 1.96 * np.nanstd(chosen, ddof=1) / np.sqrt(len(chosen) - undefined)
                assert float(low) == pytest.approx(mean - half, abs=0.1)
                assert float(high) == pytest.approx(mean + half, abs=0.1)


def test_json_has_the_same_numbers(tables, tmp_path):
    numbers = json.loads((tmp_path / "results.json").read_text())
    for system, clean, _, mean in tables["WER (%)"][1:]:
        result = numbers["wer"][system]
        total, seen = result["test_clean"]["total"], result["test_seen"]
        for cell, rate, ends in (
            (clean, total["rate"], total["interval"]),
            (mean, seen["mean"], seen["mean_interval"]),
        ):
            assert cell == f"{100 * rate:.1f} [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]"
    assert numbers["quality"]["test_seen"]["noisy speech"]["total"]["PESQ_NB"]["undefined"] == 1
    assert numbers["header"]["seed"] == "7"
    assert {"date", "espnet_cbpc", "espnet", "torch", "python"} <= numbers["header"].keys()
    lines = (tmp_path / "RESULTS.md").read_text().splitlines()
    assert "* data: digits" in lines


def without_intervals(tables):
    return {
        title: [[re.sub(r" \[\S+, \S+\]", "", cell) for cell in row] for row in rows]
        for title, rows in tables.items()
        if not title.startswith("Against ")
    }


def test_an_snr_that_is_no_number_has_no_unit(files, tmp_path):
    keys = read(tmp_path / "raw/test_seen/text")
    snrs = {key: ("nan", "0", "5", "10")[i % 4] for i, key in enumerate(keys)}
    write(tmp_path / "raw/test_seen/utt2snr", snrs)
    report.main(files)
    head = sections((tmp_path / "RESULTS.md").read_text())["test_seen: WER (%) by SNR"][0]
    assert head == ["system", "0 dB", "5 dB", "10 dB", "nan", "all"]


TITLES = ("lr=1e-4, wd=0", "a = b", "=", "joint, CBPC (lr=1)")


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("folder", ["exp/asr", "exp/lr=1,seed/x=y"])
def test_systems_of_any_title(files, tmp_path, title, folder):
    if "," in folder:
        folder = folder.replace(",", "_")
        (tmp_path / "exp/lr=1_seed").mkdir()
        (tmp_path / "exp/asr").rename(tmp_path / folder)
    files[1] = f"{title}={tmp_path / folder}"
    report.main(files)
    rows = sections((tmp_path / "RESULTS.md").read_text())["WER (%)"]
    assert [row[0] for row in rows[1:]] == [title, "SE|ASR"]


def test_seeds_of_a_system_whose_title_has_signs(tmp_path):
    (tmp_path / "a=1").mkdir()
    (tmp_path / "b").mkdir()
    item = f"x=1, y=2={tmp_path}/a=1,{tmp_path}/b"
    folders = [f"{tmp_path}/a=1", f"{tmp_path}/b"]
    assert named_folders("--systems", [item]) == {"x=1, y=2": folders}
    assert named_folders("--systems", ["x=gone=1"]) == {"x": ["gone=1"]}  # to be told so later
    for wrong in ("x", "=x", "x=", "x=,"):
        with pytest.raises(UserError, match=f"--systems '{wrong}.*': (write it as|give each seed)"):
            named_folders("--systems", [wrong])


def test_notes_in_another_encoding_are_named_before_anything_is_written(files, tmp_path):
    (tmp_path / "notes.md").write_bytes(b"caf\xe9")
    with pytest.raises(UserError, match=r"notes.md: not UTF-8 text \(byte 0xe9 in line 1\)"):
        report.main([*files, "--notes", str(tmp_path / "notes.md")])
    assert not (tmp_path / "results.json").exists()


def test_notes_end_the_report(files, tmp_path):
    (tmp_path / "notes.md").write_text("## What was tried\n\nThis and that.\n")
    report.main([*files, "--notes", str(tmp_path / "notes.md")])
    text = (tmp_path / "RESULTS.md").read_text()
    assert text.endswith("|\n\n## What was tried\n\nThis and that.\n")


def test_missing_notes_stop_before_anything_is_written(files, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    with pytest.raises(UserError, match="no.md: no such file"):
        report.main([*files, "--notes", "no.md"])
    assert {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == before


def test_seed_changes_intervals_only(files, tables, tmp_path):
    report.main([*files, "--seed=1"])
    again = sections((tmp_path / "RESULTS.md").read_text())
    for title in ("WER (%)", "test_seen: WER (%) by SNR", "Speech quality: test_seen"):
        assert again[title] != tables[title]
    assert without_intervals(again) == without_intervals(tables)


def test_other_breakdown(files, tmp_path):
    keys = read(tmp_path / "raw/test_seen/text")
    write(tmp_path / "raw/test_seen/utt2noise", dict.fromkeys(list(keys)[:30], "car"))
    report.main([*files, "--breakdown=utt2noise"])
    tables = sections((tmp_path / "RESULTS.md").read_text())
    assert tables["test_seen: WER (%) by noise"][0] == ["system", "car", "none", "all"]
    assert tables["WER (%)"][0] == ["system", "test_clean", "test_seen"]


def test_a_missing_hypothesis_is_an_error(files, tmp_path):
    path = tmp_path / "exp/asr/test_seen/text"
    path.write_text("".join(path.read_text().splitlines(True)[1:]))
    with pytest.raises(
        UserError, match=r"ASR alone on test_seen: .*1 utterance\(s\) without hypo.*u00"
    ):
        report.main(files)
    assert not (tmp_path / "RESULTS.md").exists() and not (tmp_path / "results.json").exists()


def test_another_name_leaves_the_results_as_they_are(files, tables, tmp_path):
    results = (tmp_path / "results.json").read_bytes()
    report.main([*files, f"--output={tmp_path / 'dev.md'}", "--sets", "test_seen"])
    assert json.loads((tmp_path / "dev.json").read_text())["sets"] == ["test_seen"]
    assert (tmp_path / "results.json").read_bytes() == results


def test_report_must_be_named_as_a_markdown_file(files, tmp_path):
    with pytest.raises(UserError, match="dev.json: the report is a Markdown file: give it a name"):
        report.main([*files, f"--output={tmp_path / 'dev.json'}"])
    assert not (tmp_path / "dev.json").exists()


def test_scores_of_other_utterances_are_refused(files, tmp_path):
    path = tmp_path / "exp/se_asr/test_seen/score_enh/STOI_spk1"
    path.write_text("".join(path.read_text().splitlines(True)[1:]))
    with pytest.raises(UserError, match=r"STOI of SE\|ASR covers other utterances .*\(1: u00\)"):
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
        write(path, dict.fromkeys(read(path), "-0.001"))
    report.main(files)
    rows = sections((tmp_path / "RESULTS.md").read_text())["Speech quality: test_seen"][1:]
    assert {row[-1] for row in rows} == {"0.00", "0.00 [0.00, 0.00]"}


def test_noisy_scores_may_lie_in_score_enh(files, tables, tmp_path):
    noisy = tmp_path / "noisy" / "test_seen"
    noisy.rename(tmp_path / "score_enh")
    with pytest.raises(UserError, match="noisy: no scores of any of the sets: score the noisy"):
        report.main(files)
    noisy.mkdir()
    (tmp_path / "score_enh").rename(noisy / "score_enh")
    report.main(files)
    assert sections((tmp_path / "RESULTS.md").read_text()) == tables


@pytest.fixture
def seeds(files, tmp_path):
    """Options for two systems of three seeds; the second makes one more error in ten words."""
    rng = np.random.default_rng(1)
    systems = []
    for name, extra in (("base", 0.0), ("worse", 0.1)):
        folders = [tmp_path / "exp" / f"{name}{seed}" for seed in range(3)]
        for set_name in ("test_clean", "test_seen"):
            ref = read(tmp_path / "raw" / set_name / "text")
            for folder in folders:
                hyp = {
                    key: " ".join("x" if rng.random() < 0.2 + extra else w for w in text.split())
                    for key, text in ref.items()
                }
                write(folder / set_name / "text", hyp)
        systems.append(f"{name}={','.join(map(str, folders))}")
    return ["--systems", *systems, *files[3:6], files[6], files[8]]


def wers(tmp_path, name, set_name):
    """Recompute the rate of each seed."""
    ref = read(tmp_path / "raw" / set_name / "text")
    hyps = [read(tmp_path / f"exp/{name}{seed}" / set_name / "text") for seed in range(3)]
    return [jiwer.wer(list(ref.values()), [hyp[key] for key in ref]) for hyp in hyps]


def scores_of(tmp_path, system):
    """Return the word errors of three seeds on test_seen."""
    ref = read(tmp_path / "raw/test_seen/text")
    folders = [tmp_path / f"exp/{system}{seed}" for seed in range(3)]
    return TextErrors.aligned(ref, read_hypotheses(folders, "test_seen", ref)).scores


def test_several_seeds(seeds, tmp_path):
    report.main(seeds)
    numbers = json.loads((tmp_path / "results.json").read_text())
    assert numbers["seeds"] == {"base": 3, "worse": 3}
    rows = sections((tmp_path / "RESULTS.md").read_text())["WER (%)"]
    assert rows[0][:2] == ["system", "seeds"]
    for row in rows[1:]:
        total = numbers["wer"][row[0]]["test_seen"]["total"]
        expected = wers(tmp_path, row[0], "test_seen")
        assert total["seeds"] == pytest.approx(expected)
        assert total["rate"] == pytest.approx(np.mean(expected))
        assert total["sentences"] == 3 * 40 and total["interval_kind"] == "two-way"
        assert total["interval"][0] < total["rate"] < total["interval"][1]
        assert row[1] == "3" and parsed(row[3]) is not None
        scores = scores_of(tmp_path, row[0])
        estimate = mean_over_seeds(scores.values, scores.weights)
        assert total["interval"] == pytest.approx(estimate.interval)
        mean = numbers["wer"][row[0]]["test_seen"]
        assert np.mean(mean["mean_seeds"]) == pytest.approx(mean["mean"])
    text = (tmp_path / "RESULTS.md").read_text()
    assert "interval, of systems of several seeds over seeds and utterances." in text


def test_tests_over_seeds(seeds, tmp_path):
    report.main(seeds)
    tests = json.loads((tmp_path / "results.json").read_text())["tests"]
    assert [(t["set"], t["measure"], t["a"], t["b"]) for t in tests] == [
        (set_name, measure, "worse", "base")
        for set_name in ("test_clean", "test_seen")
        for measure in ("WER", "CER")
    ]
    found = tests[2]
    base, worse = (wers(tmp_path, name, "test_seen") for name in ("base", "worse"))
    assert found["difference"] == pytest.approx(np.mean(worse) - np.mean(base))
    a, b = (scores_of(tmp_path, name) for name in ("worse", "base"))
    expected = mean_over_seeds(a.values - b.values, a.weights)
    assert found["interval"] == pytest.approx(expected.interval)
    assert found["p"] == pytest.approx(expected.p)
    assert found["p_bootstrap"] < 0.05
    assert found["seeds"] == 3 and found["p_matched_pairs"] is None
    head, row = sections((tmp_path / "RESULTS.md").read_text())["Against base"]
    assert head == ["WER: system", "test_clean", "test_seen"] and row[0] == "worse"
    cell, p = row[2].split(", p ")
    shown = [found["difference"], *found["interval"]]
    assert list(parsed(cell)) == pytest.approx([100 * x for x in shown], abs=0.051)
    assert p == ("< 0.001" if found["p"] < 0.001 else f"= {found['p']:.3f}")


def test_tests_of_one_seed(files, tables, tmp_path):
    tests = json.loads((tmp_path / "results.json").read_text())["tests"]
    assert {t["measure"] for t in tests} == {"WER", "CER"}  # the first does not enhance
    texts = [
        read(tmp_path / folder / "test_seen/text") for folder in ("raw", "exp/se_asr", "exp/asr")
    ]
    found = next(t for t in tests if (t["set"], t["measure"]) == ("test_seen", "WER"))
    assert found["p_matched_pairs"] == pytest.approx(matched_pairs(*texts).p)
    assert found["p"] == found["p_bootstrap"] and found["interval_kind"] == "bootstrap"


def test_quality_is_tested_against_noisy_speech(files, tmp_path):
    report.main([*files, "--compare_with", "noisy speech"])
    tests = json.loads((tmp_path / "results.json").read_text())["tests"]
    assert [t["measure"] for t in tests] == ["PESQ_NB", "STOI", "ESTOI", "SI_SDR"]
    noisy, enhanced = (
        {k: float(v) for k, v in read(tmp_path / folder / "STOI_spk1").items()}
        for folder in ("noisy/test_seen", "exp/se_asr/test_seen/score_enh")
    )
    differences = [enhanced[key] - noisy[key] for key in noisy]
    assert tests[1]["difference"] == pytest.approx(np.mean(differences))
    assert tests[1]["p"] == pytest.approx(ttest_1samp(differences, 0).pvalue, abs=0.1)


def test_blocks_widen_intervals(files, tmp_path, caplog):
    keys = read(tmp_path / "raw/test_seen/text")
    for set_name in ("test_clean", "test_seen"):
        write(tmp_path / "raw" / set_name / "utt2spk", {key: int(key[1:]) // 10 for key in keys})
    path = tmp_path / "exp/asr/test_seen/text"
    hyp = read(path)  # the first two speakers are not understood at all
    write(path, {key: "x" if key < "u20" else text for key, text in hyp.items()})
    found = {}
    for block in (None, "utt2spk"):
        report.main([*files, *([f"--block={block}"] if block else [])])
        numbers = json.loads((tmp_path / "results.json").read_text())
        assert numbers["bootstrap"]["block"] == block
        found[block] = numbers["wer"]["ASR alone"]["test_seen"]["total"]["interval"]
        tested = next(t for t in numbers["tests"] if t["set"] == "test_seen")
        assert (tested["p_matched_pairs"] is None) == (block is not None)
    assert np.diff(found["utt2spk"]) > 1.5 * np.diff(found[None])
    assert "bootstrap over blocks of utterances (utt2spk)" in (tmp_path / "RESULTS.md").read_text()
    assert "test_clean/utt2spk: 2 block(s) are few" in caplog.text
    (tmp_path / "raw/test_seen/utt2spk").write_text("u00 a\n")
    with pytest.raises(
        UserError, match=r"utt2spk: 39 of 40 utterance\(s\) missing \(u01, .*--block"
    ):
        report.main([*files, "--block=utt2spk"])


def test_several_breakdowns(files, tmp_path):
    keys = list(read(tmp_path / "raw/test_seen/text"))
    write(
        tmp_path / "raw/test_seen/utt2noise",
        {k: "bus car".split()[i % 2] for i, k in enumerate(keys)},
    )
    write(tmp_path / "raw/test_seen/utt2len", {k: i / 10 for i, k in enumerate(keys)})
    report.main([*files, "--breakdown", "utt2snr", "utt2noise", "utt2len"])
    tables = sections((tmp_path / "RESULTS.md").read_text())
    assert tables["test_seen: WER (%) by noise"][0] == ["system", "bus", "car", "all"]
    head = tables["test_seen: WER (%) by len"][0]
    assert head[1:-1] == [f"{n / 2:g} to {n / 2 + 0.5:g}" for n in range(8)]
    rows = tables["Speech quality: test_seen by noise"]
    assert [row[:2] for row in rows[1:]] == [
        [noise, system] for noise in ("bus", "car") for system in ("noisy speech", "SE|ASR")
    ]
    numbers = json.loads((tmp_path / "results.json").read_text())
    result = numbers["wer"]["SE|ASR"]["test_seen"]
    assert numbers["breakdown"] == "utt2snr" and list(result["groups"]) == SNRS
    further = result["further"]["utt2noise"]
    assert sum(part["words"] for part in further.values()) == result["total"]["words"]


def test_seeds_must_fit_and_names_be_known(seeds, files):
    *given, last = seeds[1:3]
    fewer = ["--systems", *given, last.rpartition(",")[0], *seeds[3:]]
    with pytest.raises(UserError, match="'worse' has 2 seeds, 'base' has 3: to be compared, give"):
        report.main(fewer)
    with pytest.raises(
        UserError, match=r"--compare_with other: there are ASR alone, SE\|ASR, noisy speech$"
    ):
        report.main([*files, "--compare_with", "other"])
    report.main(["--systems", given[0], last.split(",")[0], *seeds[3:]])  # one seed is as it is


def test_scores_of_some_seeds_only(seeds, tmp_path):
    write(tmp_path / "exp/base1/test_seen/score_enh/STOI_spk1", {"u00": "0.5"})
    with pytest.raises(UserError, match=r"2 of 3 seeds have no scores .*base0/test_seen, .*score"):
        report.main(seeds)


def test_options_are_checked(files):
    with pytest.raises(UserError, match="--systems 'exp/asr': write it as NAME=VALUE"):
        report.main(["--systems", "exp/asr", "--sets", "a"])
    with pytest.raises(UserError, match="--systems: 'a' is given twice: names must differ"):
        report.main(["--systems", "a=b", "a=c", "--sets", "a"])
    with pytest.raises(UserError, match="--systems 'a=b,b': give each seed's folder once"):
        report.main(["--systems", "a=b,b", "--sets", "a"])
    with pytest.raises(UserError, match="--resamples 0: must be at least 1"):
        report.main([*files, "--resamples=0"])
