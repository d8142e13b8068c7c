# SPDX-License-Identifier: Apache-2.0
"""The recipe for ESPnet3 trains, on a tiny corpus, what ESPnet2's trainer does."""

import csv
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_cbpc.data.kaldi.kaldi_dir import write_data_dir

ROOT = Path(__file__).resolve().parents[2]
RECIPE = Path("egs3", "mini_synth", "enh_asr_cbpc")
ESPNET2_RECIPE = Path("egs2", "mini_synth", "enh_asr_cbpc1")
ASR, ENH = "exp/asr_train_asr_word/valid.loss.ave.pth", "exp/enh_train_enh/valid.loss.ave.pth"
DATA = ("wav.scp,speech,sound", "spk1.scp,speech_ref1,sound", "text,text_spk1,text")
DATA += ("utt2category,utt2category,text",)
NO_DROPOUT = {"dropout_rate": 0.0, "positional_dropout_rate": 0.0}
STEPS = 4

# What keeps the recipe's training short, and free of chance.
TINY = """
defaults: [training, _self_]
model: {tokenizer_conf: {n_clusters: 4, feature_dim: 16}}
optimizer: {_target_: torch.optim.SGD, lr: 0.1, weight_decay: 0.0}
scheduler: {warmup_steps: 2}
dataloader: {train: {iter_factory: {num_iters_per_epoch: 1, batches: {batch_bins: 9000}}}}
trainer:
    accelerator: cpu
    max_epochs: %d
    log_every_n_steps: 1
    logger: [{_target_: lightning.pytorch.loggers.CSVLogger, save_dir: "${exp_dir}"}]
"""
# The same, for the training command.
OPTIONS = {
    "optim": "sgd",
    "optim_conf": {"lr": 0.1},
    "scheduler": "warmuplr",
    "scheduler_conf": {"warmup_steps": 2},
    "batch_type": "numel",
    "batch_bins": 9000,
    "num_iters_per_epoch": 1,
    "max_epoch": STEPS,
    "num_workers": 0,
    "num_att_plot": 0,
}

NEEDED = ("espnet3", "lightning", "dask", "dask_jobqueue")
missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
needs_espnet3 = pytest.mark.skipif(
    bool(missing),
    reason=f"SKIPPED: ESPnet3 needs {', '.join(missing)}: install ESPnet 202611 (Python 3.12) and "
    "pip install 'espnet-cbpc[espnet3]'",
)


def test_command_of_the_page_is_understood():
    (line,) = re.findall(r"^python -m (.*)", (ROOT / RECIPE / "README.md").read_text(), re.M)
    module, *options = shlex.split(line)
    args = importlib.import_module(module).get_parser().parse_args(options)
    assert args.output == "conf/model/joint.yaml"
    training = yaml.safe_load((ROOT / RECIPE / "conf" / "training.yaml").read_text())
    assert f"conf/model/{training['defaults'][0]['model']}.yaml" == args.output


def write_data(folder, categories):
    """A data directory whose audio paths start where the recipe runs, as recipes write them."""
    rng = np.random.default_rng(0)
    tables = {n: {} for n in ("wav.scp", "spk1.scp", "text", "utt2category", "utt2spk")}
    for i, category in enumerate(categories):
        clean = 0.1 * rng.standard_normal(4000 - 320 * i)
        noise = 0.1 * rng.standard_normal(len(clean)) if category == "SIMU" else 0.0
        for name, signal in (("wav.scp", clean + noise), ("spk1.scp", clean)):
            path = f"data/{folder.name}.{name}.{i}.wav"
            soundfile.write(path, signal, 8000)
            tables[name][f"utt{i}"] = path
        tables["text"][f"utt{i}"] = ("one two", "two", "two one one")[i % 3]
        tables["utt2category"][f"utt{i}"] = category
        tables["utt2spk"][f"utt{i}"] = "ann"
    write_data_dir(folder, tables)


@pytest.fixture
def recipe(tmp_path, monkeypatch, tiny_config, tiny_model):
    """The recipe beside one of ESPnet2 that has data, models and a tokenizer; the latter is cwd."""
    shutil.copytree(ROOT / RECIPE, tmp_path / RECIPE, ignore=shutil.ignore_patterns("exp", "model"))
    for folder in ("data", "dump/raw", Path(ASR).parent, Path(ENH).parent):
        (tmp_path / ESPNET2_RECIPE / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / ESPNET2_RECIPE)
    write_data(Path("dump/raw/train"), ["SIMU", "CLEAN", "REAL", "SIMU", "SIMU", "CLEAN"])
    write_data(Path("dump/raw/dev"), ["SIMU", "REAL", "SIMU"])
    trained = tiny_model()  # moved away from where a training with seed 0 starts
    generator = torch.Generator().manual_seed(1)
    for p in trained.parameters():
        p.data += 0.05 * torch.randn(p.shape, generator=generator)
    torch.save(trained.s2t_model.state_dict(), ASR)
    torch.save(trained.enh_model.state_dict(), ENH)
    trained.tokenizer.save("tokenizer.safetensors")
    tiny_config["asr_encoder_conf"].update(NO_DROPOUT, attention_dropout_rate=0.0)
    tiny_config["asr_decoder_conf"].update(
        NO_DROPOUT, self_attention_dropout_rate=0.0, src_attention_dropout_rate=0.0
    )
    joint = {
        **tiny_config,
        **OPTIONS,
        "joint_conf": {"alpha": 0.3, "within_cluster_norm": 0.1, "projection_dim": 8},
        "tokenizer_init": str(Path("tokenizer.safetensors").absolute()),
    }
    conf = tmp_path / RECIPE / "conf"
    (conf / "model").mkdir()
    (conf / "model" / "joint.yaml").write_text(yaml.safe_dump(joint))
    (conf / "tiny.yaml").write_text(TINY % STEPS)
    return tmp_path / RECIPE


def run(recipe, *stages):
    done = subprocess.run(
        [recipe / "run.py", "--stages", *stages, "--training_config", "conf/tiny.yaml"],
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def train_by_the_command(recipe):
    """Train on ESPnet3's shape files; return the last checkpoint and each step's figures."""
    from espnet_cbpc.bin.enh_asr_cbpc_train import main

    command = ["--config", str(recipe / "conf" / "model" / "joint.yaml"), "--ngpu", "0"]
    command += ["--output_dir", "exp/joint", "--grad_clip", "5.0"]
    command += ["--init_param", f"{ASR}::s2t_model", f"{ENH}::enh_model"]
    for split, folder in (("train", "dump/raw/train"), ("valid", "dump/raw/dev")):
        for data in DATA:
            command += [f"--{split}_data_path_and_name_and_type", f"{folder}/{data}"]
        for name in ("speech_shape", "text_spk1_shape"):
            command += [f"--{split}_shape_file", f"{recipe}/exp/stats/{split}/{name}"]
    main(command)
    checkpoint = torch.load("exp/joint/checkpoint.pth", weights_only=False)
    stats = checkpoint["reporter"]["stats"]
    return checkpoint["model"], [stats[step + 1] for step in range(STEPS)]


def figures(recipe):
    """What ESPnet3 logged: for each split, the figures of each step by name."""
    with open(recipe / "exp" / "tiny" / "lightning_logs" / "version_0" / "metrics.csv") as f:
        rows = list(csv.DictReader(f))
    return {
        split: [
            {k.partition("/")[2]: float(v) for k, v in row.items() if k.startswith(split) and v}
            for row in rows
            if row[f"{split}/loss"]
        ]
        for split in ("train", "valid")
    }


@needs_espnet3
@pytest.mark.slow
def test_training_is_that_of_the_command(recipe, task):
    run(recipe, "collect_stats", "train")
    shapes = (recipe / "exp" / "stats" / "train" / "speech_shape").read_text().splitlines()
    assert shapes == [f"utt{i} {4000 - 320 * i}" for i in range(6)]
    weights, steps = train_by_the_command(recipe)

    got = figures(recipe)
    assert len(got["train"]) == len(got["valid"]) == STEPS
    for step, expected in enumerate(steps):
        for split in ("train", "valid"):
            for name in ("loss", "loss_asr", "loss_enh", "loss_cbpc", "loss_infonce"):
                value = got[split][step][name]
                assert value == pytest.approx(expected[split][name], abs=1e-4), (step, split, name)
    assert len({step["loss"] for step in got["train"]}) == STEPS

    exp = recipe / "exp" / "tiny"
    trained = torch.load(exp / "last.ckpt", weights_only=True)["state_dict"]
    assert trained.keys() == weights.keys()
    for name, value in weights.items():
        torch.testing.assert_close(trained[name], value, rtol=1e-4, atol=1e-5, msg=name)
    for part, file in (("s2t_model", ASR), ("enh_model", ENH)):
        start = torch.load(file, weights_only=True)
        moved = [n for n, p in start.items() if (trained[f"{part}.{n}"] - p).abs().max() > 1e-3]
        assert len(moved) > len(start) / 2, part

    # What ESPnet3 wrote is a model of ESPnet2, even without the tokenizer's file.
    Path("tokenizer.safetensors").unlink()
    average = exp / "valid.loss_asr.ave_3best.pth"
    model, _ = task.build_model_from_file(exp / "config.yaml", average, "cpu")
    torch.testing.assert_close(model.tokenizer.centroids, weights["tokenizer.centroids"])
