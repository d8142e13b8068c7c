# SPDX-License-Identifier: Apache-2.0
"""Tiny random models of stock ESPnet: experiment folders, and the archives that it packs of them."""

import importlib.util
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sentencepiece
import torch
import yaml

WORDS = "zero one two three four five six seven eight nine".split()
STFT = {"n_fft": 64, "hop_length": 32}
ENH = {
    "encoder": "stft",
    "encoder_conf": STFT,
    "separator": "tcn",
    "separator_conf": {"num_spk": 1, "layer": 2, "stack": 1, "bottleneck_dim": 8, "hidden_dim": 8},
    "decoder": "stft",
    "decoder_conf": STFT,
    "criterions": [
        {"name": "si_snr", "conf": {}, "wrapper": "fixed_order", "wrapper_conf": {"weight": 1.0}}
    ],
}
MELS = 16


def save(task, options, folder: Path, checkpoint: str):
    """Write config.yaml and a checkpoint of a random model, as a training does."""
    args = task.get_parser().parse_args(["--output_dir", str(folder)])
    vars(args).update(options)
    torch.manual_seed(0)
    model = task.build_model(args)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(vars(args)), encoding="utf-8")
    torch.save(model.state_dict(), folder / checkpoint)
    return model.eval()


@pytest.fixture(scope="session")
def zoo(tmp_path_factory):
    """A recipe's folder ``root`` with trained models ``asr`` and ``enh``, as ESPnet leaves it."""
    from espnet2.tasks.asr import ASRTask
    from espnet2.tasks.enh import EnhancementTask

    root = tmp_path_factory.mktemp("recipe")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)  # a training writes paths from here
        tokens = Path("data/token_list/bpe")
        tokens.mkdir(parents=True)
        (root / "text").write_text("\n".join(" ".join(WORDS[i:] + WORDS[:i]) for i in range(10)))
        sentencepiece.SentencePieceTrainer.train(
            input="text", model_prefix=str(tokens / "bpe"), vocab_size=28, minloglevel=2
        )
        pieces = sentencepiece.SentencePieceProcessor(model_file=str(tokens / "bpe.model"))
        names = [pieces.id_to_piece(i) for i in range(3, len(pieces))]
        stats = Path("exp/asr_stats/train/feats_stats.npz")
        stats.parent.mkdir(parents=True)
        mean = np.linspace(-1, 1, MELS, dtype=np.float32)
        np.savez(stats, count=10.0, sum=10 * mean, sum_square=10 * (mean**2 + 4))
        asr = {
            "token_list": ["<blank>", "<unk>", *names, "<sos/eos>"],
            "token_type": "bpe",
            "bpemodel": str(tokens / "bpe.model"),
            "frontend_conf": {"fs": "8k", "n_mels": MELS, **STFT},
            "normalize": "global_mvn",
            "normalize_conf": {"stats_file": str(stats)},
            "encoder": "conformer",
            "encoder_conf": {
                "output_size": 16,
                "attention_heads": 2,
                "linear_units": 16,
                "num_blocks": 1,
                "cnn_module_kernel": 3,
            },
            "decoder": "transformer",
            "decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 1},
            "model_conf": {"ctc_weight": 0.3},
        }
        models = {
            "asr": save(ASRTask, asr, Path("exp/asr_train"), "valid.acc.ave.pth"),
            "enh": save(EnhancementTask, ENH, Path("exp/enh_train"), "valid.loss.ave.pth"),
        }
    return SimpleNamespace(
        root=root,
        asr=root / "exp/asr_train",
        enh=root / "exp/enh_train",
        asr_model=models["asr"],
        enh_model=models["enh"],
        stats=stats,
        bpe=tokens / "bpe.model",
    )


@pytest.fixture(scope="session")
def packed(zoo):
    """Function: the archive of ``asr`` or ``enh`` that stock ESPnet packs, with a suffix."""

    def pack(kind: str, suffix: str = "zip") -> Path:
        out = zoo.root / f"{kind}.{suffix}"
        if out.exists():
            return out
        exp = Path("exp") / f"{kind}_train"
        names = {
            "asr": ("--asr_train_config", "--asr_model_file", "valid.acc.ave.pth"),
            "enh": ("--train_config", "--model_file", "valid.loss.ave.pth"),
        }[kind]
        command = [sys.executable, "-m", "espnet2.bin.pack", kind, "--outpath", str(out)]
        command += [names[0], str(exp / "config.yaml"), names[1], str(exp / names[2])]
        if kind == "asr":
            command += ["--option", str(zoo.stats), "--option", str(zoo.bpe)]
        subprocess.run(command, cwd=zoo.root, check=True, capture_output=True)
        return out

    return pack


@pytest.fixture(scope="session")
def stock_python(tmp_path_factory):
    """A virtual environment with all that is installed here but this package."""
    folder = tmp_path_factory.mktemp("stock") / "venv"
    venv.create(folder, with_pip=False)
    packages = next(folder.glob("lib/python*/site-packages"))
    lines = [sysconfig.get_paths()["purelib"]]
    if importlib.util.find_spec("_distutils_hack"):  # setuptools' distutils, from Python 3.12 on
        lines.append("import _distutils_hack; _distutils_hack.add_shim()")
    (packages / "host.pth").write_text("\n".join(lines) + "\n")
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def joint_experiment(task, zoo):
    """Function: write config.yaml and valid.loss_asr.ave.pth of a random joint model; returns it."""
    from espnet_cbpc.model.joint_config import joint_config

    def make(folder: Path, **changes):
        asr, enh = (yaml.safe_load((f / "config.yaml").read_text()) for f in (zoo.asr, zoo.enh))
        asr["bpemodel"] = str(zoo.root / zoo.bpe)
        asr["normalize_conf"] = {"stats_file": str(zoo.root / zoo.stats)}
        args = task.get_parser().parse_args(["--output_dir", str(folder)])
        tokenizer = {"tokenizer_conf": {"n_clusters": 4, "feature_dim": 16}}
        vars(args).update(joint_config({**tokenizer, **changes}, asr, enh))
        torch.manual_seed(1)
        model = task.build_model(args).eval()
        for (
            parameter
        ) in model.s2t_model.parameters():  # for varied texts outputs must differ by frame
            if parameter.dim() > 1:
                parameter.data.mul_(3)
        folder.mkdir()
        (folder / "config.yaml").write_text(yaml.safe_dump(vars(args)), encoding="utf-8")
        torch.save(model.state_dict(), folder / "valid.loss_asr.ave.pth")
        return model

    return make
