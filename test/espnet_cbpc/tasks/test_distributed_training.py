# SPDX-License-Identifier: Apache-2.0
"""ESPnet's own distributed training: two processes train the model that one does."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_cbpc.tokenizer.kmeans import KMeansTokenizer

SAMPLES = 4000
# Of a batch of four, ESPnet gives every other utterance to the same process: one of them has
# references for all, the other for one of two.
CATEGORIES = ["SIMU", "REAL", "CLEAN", "SIMU"] * 2
NO_DROPOUT = {"dropout_rate": 0.0, "positional_dropout_rate": 0.0}
TRANSFORMER = {"output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 1}


def write_data(folder):
    """Eight utterances of one length, so that padding cannot tell the two trainings apart."""
    rng = np.random.default_rng(0)
    tables = {name: [] for name in ("wav.scp", "spk1.scp", "text", "utt2category", "shape")}
    for i, category in enumerate(CATEGORIES):
        clean = 0.1 * rng.standard_normal(SAMPLES)
        noisy = clean + (0.1 * rng.standard_normal(SAMPLES) if category == "SIMU" else 0.0)
        for name, signal in (("wav.scp", noisy), ("spk1.scp", clean)):
            path = folder / f"{name}.{i}.wav"
            soundfile.write(path, signal, 8000, "FLOAT")
            tables[name].append(f"utt{i} {path}")
        tables["text"].append(f"utt{i} one two")
        tables["utt2category"].append(f"utt{i} {category}")
        tables["shape"].append(f"utt{i} {SAMPLES}")
    for name, lines in tables.items():
        (folder / name).write_text("\n".join(lines) + "\n")


def write_config(folder, tiny):
    """The tiny model without anything random in training, on those data."""
    tokenizer = KMeansTokenizer(4, 16)
    tokenizer.centroids.normal_(generator=torch.Generator().manual_seed(0))
    tokenizer.save(folder / "tokenizer.safetensors")
    data = [
        [str(folder / name), *rest]
        for name, *rest in (
            ("wav.scp", "speech", "sound"),
            ("spk1.scp", "speech_ref1", "sound"),
            ("text", "text_spk1", "text"),
            ("utt2category", "utt2category", "text"),
        )
    ]
    config = {
        **tiny,
        "asr_encoder": "transformer",
        "asr_encoder_conf": {**TRANSFORMER, **NO_DROPOUT, "attention_dropout_rate": 0.0},
        "asr_decoder_conf": {
            **tiny["asr_decoder_conf"],
            **NO_DROPOUT,
            "self_attention_dropout_rate": 0.0,
            "src_attention_dropout_rate": 0.0,
        },
        "contrastive_criterions": [
            {"name": "cbpc", "conf": {"pairs": "all"}},
            {"name": "infonce", "conf": {"exclude_same_label": True}},
        ],
        "joint_conf": {"projection_dim": 8, "warmup_steps": 3, "alpha": 0.3},
        "tokenizer_init": str(folder / "tokenizer.safetensors"),
        "optim": "sgd",
        "optim_conf": {"lr": 0.1},
        "grad_clip": 1000.0,
        "max_epoch": 2,
        "batch_type": "sorted",
        "batch_size": 4,
        "num_workers": 0,
        "ngpu": 0,
        "num_att_plot": 2,
        "multiprocessing_distributed": False,
        "train_data_path_and_name_and_type": data,
        "valid_data_path_and_name_and_type": data,
        "train_shape_file": [str(folder / "shape")],
        "valid_shape_file": [str(folder / "shape")],
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def train(folder, name, processes):
    """Return the weights after training, and the figures of the last epoch."""
    command = [sys.executable, "-m", "espnet_cbpc.bin.enh_asr_cbpc_train"]
    command += ["--config", str(folder / "config.yaml"), "--output_dir", str(folder / name)]
    if processes > 1:
        command += ["--dist_world_size", str(processes), "--dist_backend", "gloo"]
        command += ["--dist_init_method", f"file://{folder}/{name}.init"]
    running = []
    for rank in range(processes):
        own = ["--dist_rank", str(rank)] if processes > 1 else []
        with open(folder / f"{name}.{rank}.log", "w") as log:
            running.append(subprocess.Popen([*command, *own], stdout=log, stderr=log))
    codes = [p.wait(300) for p in running]
    assert codes == [0] * processes, (folder / f"{name}.0.log").read_text()[-3000:]
    checkpoint = torch.load(folder / name / "checkpoint.pth", weights_only=False)
    return checkpoint["model"], checkpoint["reporter"]["stats"][2]["train"]


@pytest.mark.slow
def test_two_processes_train_the_model_that_one_does(tmp_path, tiny_config):
    write_data(tmp_path)
    write_config(tmp_path, tiny_config)
    expected, figures = train(tmp_path, "one", 1)
    weights, got = train(tmp_path, "two", 2)
    assert weights.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-5, msg=name)
    for name in ("loss", "loss_asr", "loss_cbpc", "loss_infonce"):
        assert got[name] == pytest.approx(figures[name], rel=1e-4), name
    initial = torch.load(tmp_path / "one" / "1epoch.pth", weights_only=True)
    key = "projection.weight"
    assert (initial[key] - expected[key]).abs().max() > 1e-4
