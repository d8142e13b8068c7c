# SPDX-License-Identifier: Apache-2.0
"""The mini_synth recipe with tiny data and models: whole, again, changed, killed, misused."""

import json
import os
import re
import shutil
import subprocess
import time
import zipfile
from pathlib import Path

import jiwer
import numpy as np
import pytest
import soundfile
import torch
import yaml
from recipe_runs import FEW_STEPS, here, run

from espnet_cbpc.compat.parameter_names import named_as
from espnet_cbpc.scoring.report.markdown import system_scores

ROOT = Path(__file__).parents[2]
SETS = ["test_clean", "test_seen", "test_unseen"]
MODELS = (ROOT / "espnet_cbpc" / "model_zoo" / "README.md").read_text(encoding="utf-8")
TINY = ["--local_data_opts", "--num_train 40 --num_dev 8 --num_test 4", *FEW_STEPS]
TINY += ["--quality_sets", ""]  # of all sets
JOINT = "enh_asr_train_enh_asr_cbpc"


def table(path: Path):
    lines = (line.rstrip("\n").partition(" ") for line in path.open(encoding="utf-8"))
    return {key: value for key, _, value in lines}


def git(folder: Path, *arguments: str) -> str:
    """Run git as if nobody had configured it; returns what it prints."""
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    configuration = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        env={**os.environ, **configuration},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


@pytest.fixture(scope="module")
def first_run(tree):
    """The recipe after one run of all stages, and what has changed in the work tree by then."""
    shutil.copy(ROOT / ".gitignore", tree)
    git(tree, "init", "--quiet")
    git(tree, "add", ".")
    git(tree, "commit", "--quiet", "--message", "as it was")
    folder = tree / "egs2" / "mini_synth" / "enh_asr_cbpc1"
    done = run(folder, *TINY)
    assert done.returncode == 0, done.stdout[-3000:]
    return folder, git(tree, "status", "--porcelain")


@pytest.fixture(scope="module")
def recipe(first_run):
    """The recipe after that run."""
    folder, _ = first_run
    # later tests replace that experiment
    shutil.copy(folder / "exp" / JOINT / "packed" / "asr.zip", folder)
    return folder


def inference(recipe: Path, system: str = JOINT) -> Path:
    return recipe / "exp" / system / "decode"


def test_a_run_leaves_the_work_tree_clean_and_the_committed_results_as_they_were(first_run):
    folder, changes = first_run
    assert changes == ""
    committed = {"RESULTS.md", "results.json"}
    assert committed <= set(git(folder, "ls-files").splitlines())
    for name in committed:
        there = ROOT / "egs2" / "mini_synth" / "enh_asr_cbpc1" / name
        assert (folder / name).read_bytes() == there.read_bytes()
    made = json.loads((folder / "exp" / "results.json").read_text(encoding="utf-8"))
    assert made["wer"]["SE, then clean ASR"]["test_seen"]["total"]["sentences"] == 12
    assert (folder / "exp" / "report.html").is_file()


def test_the_model_card_has_the_scores_of_that_run(recipe):
    card = (inference(recipe).parent / "packed" / "README.md").read_text(encoding="utf-8")
    report = json.loads((recipe / "exp" / "results.json").read_text(encoding="utf-8"))
    assert system_scores(report, report["systems"][-1]) in card


def test_results_agree_with_an_outside_recomputation_from_the_files(recipe):
    results = (recipe / "exp" / "RESULTS.md").read_text(encoding="utf-8")
    row = next(line for line in results.splitlines() if "CBPC and infoNCE" in line and "|" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    heads = next(line for line in results.splitlines() if line.startswith("| system | test_clean"))
    column = [cell.strip() for cell in heads.strip("|").split("|")].index("test_unseen")
    ref = table(recipe / "dump" / "raw" / "test_unseen" / "text")
    hyp = table(inference(recipe) / "test_unseen" / "text")
    assert list(ref) == list(hyp) and len(ref) == 12
    wer = 100 * jiwer.wer([ref[u] for u in ref], [hyp[u] for u in ref])
    assert cells[column].split()[0] == f"{wer:.1f}"


def test_si_sdr_agrees_with_an_outside_recomputation_from_the_files(recipe):
    folder = inference(recipe) / "test_seen"
    references = table(recipe / "dump" / "raw" / "test_seen" / "spk1.scp")
    scores = table(folder / "score_enh" / "SI_SDR_spk1")
    assert len(scores) == 12
    for utt, path in table(folder / "enhanced" / "spk1.scp").items():
        s, x = (soundfile.read(recipe / p)[0] for p in (references[utt], path))
        s, x = s - s.mean(), x - x.mean()
        target = (x @ s) / (s @ s) * s
        si_sdr = 10 * np.log10((target @ target) / ((x - target) @ (x - target)))
        assert float(scores[utt]) == pytest.approx(si_sdr, abs=2e-3)


def test_files_for_outside_scoring_are_laid_out_as_espnet_does(recipe):
    for name in SETS:
        folder = inference(recipe) / name
        for score in ("score_wer", "score_cer"):
            for file in ("ref.trn", "hyp.trn", "result.txt"):
                assert (folder / score / file).is_file(), (name, score, file)
        last = (folder / "score_wer" / "ref.trn").read_text(encoding="utf-8").splitlines()[-1]
        assert re.fullmatch(r"[a-z ]+\s\([\w+-]+\)", last)


def test_joint_training_logs_every_loss_and_contrastive_statistic(recipe):
    exp = inference(recipe).parent
    text = (exp / "train.log").read_text(encoding="utf-8")
    line = next(row for row in text.splitlines() if "epoch results:" in row)
    for name in ("loss", "loss_asr", "loss_enh", "loss_cbpc", "loss_infonce", "cbpc_anchors"):
        assert f" {name}=" in line
    for name in ("cbpc_sim_pos", "cbpc_positives", "num_simu", "num_clean", "contrastive_warmup"):
        assert f" {name}=" in line
    assert list((exp / "tensorboard" / "train").glob("events.*"))


def test_the_tokenizer_and_its_report(recipe):
    exp = next((recipe / "exp").glob("tokenizer_*"))
    quality = json.loads((exp / "quality.json").read_text(encoding="utf-8"))
    assert sum(quality["sizes"]) == quality["frames"] > 0
    labels = table(exp / "labels_clean")
    assert list(labels) == list(table(recipe / "dump" / "raw" / "dev" / "clean.scp"))
    assert sum(len(q.split()) for q in labels.values()) == quality["frames"]


def test_packed_model_is_that_of_the_experiment_without_plugin_parts(recipe):
    exp = inference(recipe).parent
    joint = torch.load(exp / "valid.loss_asr.ave.pth", weights_only=True)
    prefix = {"enh_asr": "", "asr": "s2t_model.", "enh": "enh_model."}
    for name, start in prefix.items():
        with zipfile.ZipFile(exp / "packed" / f"{name}.zip") as archive:
            with archive.open("model.pth") as f:
                packed = torch.load(f, weights_only=True)
            config = yaml.safe_load(archive.read("config.yaml"))
        stock = ("enh_model.", "s2t_model.")
        wanted = {k for k in joint if k.startswith(stock) and k.startswith(start)}
        packed = named_as(wanted, {start + k: v for k, v in packed.items()})
        assert packed.keys() == wanted
        assert all(torch.equal(v, joint[k]) for k, v in packed.items())
        assert not {"joint_conf", "tokenizer", "contrastive_criterions"} & set(config)


def test_packed_models_compute_the_same_in_stock_espnet(recipe, tmp_path):
    from espnet2.bin.asr_inference import Speech2Text
    from espnet2.bin.enh_inference import SeparateSpeech

    packed = inference(recipe).parent / "packed"
    for name in ("enh_asr", "asr", "enh"):
        shutil.unpack_archive(packed / f"{name}.zip", tmp_path / name)
    utt, path = next(iter(table(recipe / "dump" / "raw" / "test_unseen" / "wav.scp").items()))
    noisy, fs = soundfile.read(recipe / path, dtype="float32")
    enhanced, _ = soundfile.read(
        recipe / table(inference(recipe) / "test_unseen" / "enhanced" / "spk1.scp")[utt]
    )
    separate = SeparateSpeech(tmp_path / "enh" / "config.yaml", tmp_path / "enh" / "model.pth")
    np.testing.assert_allclose(separate(noisy[None], fs=fs)[0][0], enhanced, atol=1e-4)

    def stock(name, **options):
        files = (str(tmp_path / name / f) for f in ("config.yaml", "model.pth"))
        return Speech2Text(*files, ctc_weight=1.0, beam_size=2, **options)

    both = stock("enh_asr", enh_s2t_task=True)(noisy)[0][0]
    alone = stock("asr")(enhanced.astype(np.float32))[0]
    assert both[2] == alone[2]


def test_a_finished_recipe_says_so_and_does_nothing(recipe):
    exp = recipe / "exp"
    before = {p: p.stat().st_mtime_ns for p in exp.rglob("*") if p.is_file()}
    start = time.monotonic()
    again = run(recipe, *TINY)
    took = time.monotonic() - start
    assert again.returncode == 0, again.stdout[-3000:]
    assert "finished; all done already" in again.stdout and "log:" not in again.stdout
    after = {p: p.stat().st_mtime_ns for p in exp.rglob("*") if p.is_file()}
    locks = {path for path in after if path.suffix == ".lock"}  # these say who had them last
    assert {p: t for p, t in after.items() if p not in locks} == {
        p: t for p, t in before.items() if p not in locks
    }
    assert took < 60  # no training; what it takes on an idle machine is in the benchmarks


def test_what_would_run_is_foreseen_with_the_reason(recipe):
    config = recipe / "conf" / "tokenizer_kmeans.yaml"
    before = config.read_text(encoding="utf-8")
    config.write_text(before.replace("n_clusters: 50", "n_clusters: 7"), encoding="utf-8")
    try:
        told = run(recipe, *TINY, "--dry_run")
    finally:
        config.write_text(f"# A comment.\n{before}", encoding="utf-8")
    lines = told.stdout.splitlines()
    assert told.returncode == 0
    tokenizer = "tokenizer_tokenizer_kmeans_train_asr_word"
    assert lines[0] == (f"would run: stage 11, {tokenizer}: tokenizer_conf.n_clusters: 7 (was 50)")
    joint = f"enh_asr_train_enh_asr_joint, {JOINT}"
    assert f"would run: stage 13, {joint}, if {tokenizer} changes its output" in lines
    unchanged = run(recipe, *TINY, "--dry_run")  # but for the comment
    assert unchanged.stdout.endswith("are done, 0 are not\n") and len(unchanged.stdout) < 100
    status = run(recipe, *TINY, "--status", "--stage", "asr", "--stop_stage", "enh").stdout
    assert re.search(
        r"^done +20\S+ +asr_train_asr_word exp/asr_train_asr_word/train.log$", status, re.M
    )


def test_a_change_that_is_taken_back_brings_the_finished_model_back(recipe):
    exp, stages = inference(recipe).parent, ("--stage", "13", "--stop_stage", "13")
    config = recipe / "conf" / "train_enh_asr_cbpc.yaml"
    before, model = config.read_text(encoding="utf-8"), exp / "1epoch.pth"
    first = model.read_bytes()
    options = (*TINY, *stages, "--baseline_configs", "")
    config.write_text(before.replace("lr: ", "lr: 1"), encoding="utf-8")
    try:
        killed = here(recipe, *options, "--enh_asr_args", "--max_epoch 1 --no_such_option 1")
        assert killed.returncode == 1 and "no_such_option" in killed.stdout
        other = here(recipe, *options)
    finally:
        config.write_text(before, encoding="utf-8")
    assert other.returncode == 0, other.stdout[-3000:]
    moves = rf"exp/{JOINT} moves to exp/replaced/\S+ \(config.optim_conf.lr: 0.011 \(was 0.001\)"
    assert re.search(moves, killed.stdout)
    assert model.read_bytes() != first
    back = here(recipe, *options)
    assert back.returncode == 0 and "log:" not in back.stdout
    assert f"exp/{JOINT} moves back from exp/replaced/" in back.stdout
    assert model.read_bytes() == first
    assert (inference(recipe) / "test_seen" / "text").is_file()
    assert len(list((exp.parent / "replaced").glob(f"*_{JOINT}/{JOINT}/train.log"))) == 2


def test_two_seeds_started_at_once_share_an_experiment_folder(recipe):
    command = [str(recipe / "run.sh"), *TINY, "--stop_stage", "9", "--expdir", "exp_of_two"]
    started = [
        subprocess.Popen(
            [*command, "--train_seed", seed],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for seed in ("1", "2")
    ]
    said = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    for seed in ("1", "2"):
        exp = recipe / "exp_of_two" / f"asr_train_asr_word_seed{seed}"
        assert (exp / "valid.loss.ave.pth").is_file()
        assert yaml.safe_load((exp / "config.yaml").read_text())["seed"] == int(seed)
    stats = "exp_of_two/asr_stats_train_asr_word/logdir/aggregate.log"
    assert sum(stats in text for text in said) == 1  # the other one waited


def test_bad_options_are_named(recipe):
    for options, message in (
        (["--no_such_option", "1"], "error: unknown option --no_such_option; see --help"),
        (
            ["--asr_model", "nowhere", "--stage", "9"],
            "error: nowhere: no such model: give a folder",
        ),
    ):
        done = run(recipe, *TINY, *options, "--expdir", "exp_bad")
        assert done.returncode == 1 and message in done.stdout


def test_unknown_key_of_a_configuration_stops_the_training_with_its_name(recipe, tmp_path):
    config = tmp_path / "train_bad.yaml"
    text = (recipe / "conf" / "train_enh_asr_cbpc.yaml").read_text(encoding="utf-8")
    config.write_text(text + "\nno_such_key: 1\n", encoding="utf-8")
    options = ("--stage", "13", "--baseline_configs", "", "--enh_asr_config", str(config))
    done = here(recipe, *TINY, *options)
    assert done.returncode != 0
    assert "no_such_key" in done.stdout and "a job failed; its log:" in done.stdout
    record = json.loads((recipe / "exp" / ".steps" / "enh_asr_train_bad.json").read_text())
    assert record["state"] == "begun"


def test_help_lists_stages_and_options(recipe):
    done = run(recipe, "--help")
    assert done.returncode == 0
    assert "11 tokenizer: acoustic tokenizer" in done.stdout
    assert "--tokenizer_conf conf/tokenizer_kmeans.yaml" in done.stdout


@pytest.mark.slow
def test_language_model_stages(recipe, tmp_path):
    config = tmp_path / "train_lm.yaml"
    config.write_text(
        "lm: seq_rnn\nlm_conf: {unit: 8, nlayers: 1}\nmax_epoch: 1\nbatch_type: unsorted\n"
        "batch_size: 8\nbest_model_criterion: [[valid, loss, min]]\n"
    )
    search = tmp_path / "decode.yaml"
    search.write_text("beam_size: 2\nctc_weight: 1.0\nlm_weight: 0.1\n")
    lm = ("--use_lm", "true", "--lm_config", str(config), "--inference_config", str(search))
    done = here(recipe, *TINY, *lm, "--stage", "6", "--stop_stage", "8")
    assert done.returncode == 0, done.stdout[-3000:]
    assert 1 < float((recipe / "exp" / "lm_word" / "perplexity" / "ppl").read_text()) < 1000
    sets = ("--test_sets", "test_clean", "--baseline_configs", "")
    done = here(recipe, *TINY, *lm, *sets, "--stage", "14", "--stop_stage", "14")
    assert done.returncode == 0, done.stdout[-3000:]
    decoded = recipe / "exp" / "enh_asr_train_enh_asr_cbpc" / "decode_lm" / "test_clean" / "text"
    assert len(table(decoded)) == 4


def test_brought_models_take_the_place_of_trained_ones_and_labels_are_dumped(recipe, tmp_path):
    exp, new = recipe / "exp", tmp_path / "exp"
    config = tmp_path / "train_enhanced.yaml"
    text = (recipe / "conf" / "train_enh_asr_cbpc.yaml").read_text(encoding="utf-8")
    assert "pairs: cross" in text
    config.write_text(text.replace("pairs: cross", "pairs: enhanced"))
    options = [
        *TINY,
        *("--expdir", str(new), "--stage", "9", "--stop_stage", "13", "--dump_labels", "true"),
        *("--asr_model", str(recipe / "asr.zip")),
        *("--enh_model", str(exp / "enh_train_enh"), "--model_cachedir", str(tmp_path / "cache")),
        *("--baseline_configs", "", "--enh_asr_config", str(config)),
    ]
    done = here(recipe, *options)
    assert done.returncode == 0, done.stdout[-3000:]
    with zipfile.ZipFile(recipe / "asr.zip") as archive, archive.open("model.pth") as f:
        packed = torch.load(f)
    brought = torch.load(new / "asr_asr" / "model.pth")
    assert brought.keys() == packed.keys()
    assert all(torch.equal(v, packed[k]) for k, v in brought.items())
    assert (new / "enh_enh_train_enh" / "config.yaml").is_file()
    again = here(recipe, *options, "--stop_stage", "10")
    (skipped,) = re.findall("already done, skipped: (.*)", again.stdout)
    assert sorted(skipped.split(", ")) == ["asr_asr", "enh_enh_train_enh"]
    assert not list(new.glob("asr_*/train.log"))
    assert (new / "enh_asr_stats_asr" / "train" / "speech_shape").is_file()

    (tokenizer,) = new.glob("tokenizer_*")
    for split in ("train", "dev"):
        scp = table(tokenizer / "labels" / split.replace("dev", "valid") / "labels.scp")
        assert scp.keys() == table(recipe / "dump" / "raw" / split / "wav.scp").keys()
    assert not (tokenizer / "features").exists()
    used = (new / "enh_asr_train_enhanced" / "config.yaml").read_text(encoding="utf-8")
    assert str(tokenizer / "labels" / "train" / "labels.scp") in used
    quality = json.loads((tokenizer / "quality.json").read_text(encoding="utf-8"))
    pnmi = quality["agreement"]["pnmi"]  # undefined where the tiny model knows one token only
    assert pnmi is None or 0 <= pnmi <= 1
    assert (tokenizer / "quality.png").stat().st_size > 10_000


def test_the_recognisers_own_transcripts_replace_those_of_the_data(recipe, tmp_path):
    config = yaml.safe_load((recipe / "conf" / "train_enh_asr_cbpc.yaml").read_text())
    config["contrastive_criterions"] = []
    config["joint_conf"] = {"self_distillation": {"posteriors": "ctc"}}
    (tmp_path / "distilled.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    new = tmp_path / "exp"
    options = [
        *TINY,
        *("--expdir", str(new), "--stage", "9", "--stop_stage", "13"),
        *("--asr_model", str(recipe / "asr.zip"), "--asr_update", "false"),
        *("--own_transcripts", "true"),
        *("--enh_model", str(recipe / "exp" / "enh_train_enh"), "--baseline_configs", ""),
        *("--enh_asr_config", str(tmp_path / "distilled.yaml")),
    ]
    done = here(recipe, *options)
    assert done.returncode == 0, done.stdout[-3000:]
    own = new / "own_transcripts_asr"
    for split in ("train", "dev"):
        data = recipe / "dump" / "raw" / split
        folder = own / split.replace("dev", "valid")
        texts = table(folder / "transcripts")
        assert texts.keys() == table(data / "wav.scp").keys() and all(texts.values())
        heard = table(own / "data" / folder.name / "wav.scp")
        assert heard == table(data / "spk1.scp") != table(data / "wav.scp")
    (log,) = new.glob("enh_asr_distilled*/train.log")
    losses = log.read_text(encoding="utf-8")
    assert "loss_sd=" in losses and "loss_asr=" in losses
    trained = (log.parent / "config.yaml").read_text(encoding="utf-8")
    assert str(own / "train" / "transcripts") in trained
    again = here(recipe, *options)
    assert "own_transcripts_asr" in again.stdout.partition("already done, skipped: ")[2]


@pytest.mark.slow
def test_a_front_end_is_adapted_to_a_brought_model_without_transcripts(recipe, tmp_path):
    folder, new = recipe.with_name("without_text"), tmp_path / "exp"
    ignore = shutil.ignore_patterns("exp", "dump")
    shutil.copytree(recipe, folder, symlinks=True, ignore=ignore)
    for name in ("train", "dev", "dev_clean", "test_seen"):
        (folder / "data" / name / "text").unlink(missing_ok=True)
    packed = folder / "exp" / "enh_asr_train_enh_asr_cbpc" / "packed"  # where the README has it
    packed.mkdir(parents=True)
    shutil.copy(recipe / "asr.zip", packed)
    (options,) = re.findall(
        r"^egs2/mini_synth/\S+/run.sh (.* --use_transcripts false)$", MODELS, re.M
    )
    done = here(
        folder,
        *TINY,
        *options.split(),
        *("--expdir", str(new), "--stage", "3", "--test_sets", "test_seen test_unseen"),
        *("--baseline_configs", "", "--model_cachedir", str(tmp_path / "cache")),
        *("--results", "RESULTS.md"),
    )
    assert done.returncode == 0, done.stdout[-3000:]
    exp = new / "enh_asr_train_enh_asr_cbpc_frozen_asr_no_transcripts"
    adapted = torch.load(exp / "valid.loss.ave.pth")
    brought = torch.load(new / "asr_asr" / "model.pth")
    brought = named_as(adapted, {f"s2t_model.{k}": v for k, v in brought.items()})
    assert all(torch.equal(v, adapted[k]) for k, v in brought.items())
    before = torch.load(new / "enh_train_enh" / "valid.loss.ave.pth")
    assert any(not torch.equal(v, adapted[f"enh_model.{k}"]) for k, v in before.items())
    losses = (exp / "train.log").read_text(encoding="utf-8")
    assert "loss_cbpc=" in losses and "loss_asr=" not in losses
    assert not list((new / "enh_asr_stats_asr" / "train").glob("text*"))
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert results["sets"] == ["test_unseen"]  # the other one has no transcripts to score against
    assert (exp / "decode" / "test_seen" / "text").is_file()
    assert len(list((exp / "packed").glob("*.zip"))) == 3
