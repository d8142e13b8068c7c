# SPDX-License-Identifier: Apache-2.0
"""Pack a joint experiment for users of stock ESPnet, without this package."""

import argparse
import copy
import logging
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from espnet_cbpc.compat.parameter_names import named_for_all_releases
from espnet_cbpc.compat.weights import (
    decoder_and_vocabulary,
    load_weights,
    read_weights,
    select_weights,
)
from espnet_cbpc.model.joint_config import split_config
from espnet_cbpc.model_zoo.config_files import bring_files, with_absolute_paths
from espnet_cbpc.model_zoo.decoding_config import PACKED
from espnet_cbpc.model_zoo.model_card import ModelCard
from espnet_cbpc.tasks.options import PLUGIN_OPTIONS
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import atomic_write, read_yaml, write_yaml

# Archive -> its part of the joint model, and how espnet2.bin.pack calls its parts.
# The joint model is packed as "asr", since that is what Speech2Text.from_pretrained understands.
ARCHIVES = {
    "enh_asr": ("", "asr", "asr_train_config", "asr_model_file"),
    "asr": ("s2t_model", "asr", "asr_train_config", "asr_model_file"),
    "enh": ("enh_model", "enh", "train_config", "model_file"),
}
# Folder of the files that a configuration names; to espnet_model_zoo only what has a slash is a path.
FILES = "data"
# Parts of a joint checkpoint that stock ESPnet has no use for.
STOCK_PARTS = ("enh_model.", "s2t_model.")


def export(config: Path, model_file: Path, outdir: Path, card: ModelCard) -> list[Path]:
    """Write ``enh_asr.zip``, ``enh.zip`` and ``asr.zip`` of a joint model to ``outdir``.

    They load with ``Speech2Text.from_pretrained(..., enh_s2t_task=True)``,
    ``SeparateSpeech.from_pretrained`` and ``Speech2Text.from_pretrained`` of stock ESPnet, on every
    release that this package was run on, and compute the same as the joint model. Each holds its own
    model card, and what recognises also ``decode.yaml``, the options of decoding. What stock ESPnet
    has no model for is left out, with a warning: see :func:`left_out`.

    Args:
        config: ``config.yaml`` of the joint training.
        model_file: its checkpoint.
        outdir: folder for the archives, and for ``README.md``, the card of all of them.
        card: its ``decoding`` is fitted to the model.

    Returns:
        The archives.

    Raises:
        UserError: a file is missing, or the checkpoint is not one of this joint model.
    """
    joint = read_joint(config)
    weights = read_weights(model_file)
    for part in STOCK_PARTS:
        if not any(key.startswith(part) for key in weights):
            raise UserError(f"{model_file}: holds no {part}*: not a joint model")
    joint = with_absolute_paths(joint, config)
    model = built(joint, weights, model_file)
    weights = named_for_all_releases(model)
    decoding = card.decoding.fitted(*decoder_and_vocabulary(weights, "s2t_model."))
    card = replace(card, decoding=decoding, channels=str(model.channels))
    configs = {"enh_asr": stock_config(joint), **split_config(joint)}
    unfit, reason = left_out(joint)
    names = [name for name in ARCHIVES if name not in unfit]
    made = " and ".join(f"{name}.zip" for name in names)
    for name in unfit:
        logging.warning("%s.zip not made: %s; made: %s", name, reason, made)
        (outdir / f"{name}.zip").unlink(missing_ok=True)
    archives = [pack(name, configs[name], weights, outdir, card) for name in names]
    with atomic_write(outdir / "README.md") as f:
        f.write(card.page(names))
    return archives


def read_joint(config: Path) -> dict[str, Any]:
    """Return the configuration of a joint training.

    Raises:
        UserError: no such file, or not one that can be read.
    """
    if not config.is_file():
        raise UserError(f"{config}: no such file: train the joint model first")
    return read_yaml(config)


def built(
    joint: Mapping[str, Any], weights: Mapping[str, torch.Tensor], model_file: Path
) -> torch.nn.Module:
    """Return the joint model with its weights."""
    from espnet_cbpc.tasks.enh_asr_cbpc import EnhASRCBPCTask  # slow to import

    model = EnhASRCBPCTask.build_model(argparse.Namespace(**copy.deepcopy(dict(joint))))
    load_weights(model, weights, model_file)
    return model


def left_out(joint: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """Return which of :data:`ARCHIVES` stock ESPnet has no model for, and why."""
    if joint.get("asr_encoder") == "whisper":
        return ("enh_asr", "asr"), "stock ESPnet does not support current openai-whisper"
    if joint.get("asr_encoder") == "owsm_ctc" or joint.get("asr_decoder") == "owsm":
        return ("enh_asr", "asr"), "stock ESPnet has OWSM only in its S2T tasks"
    if joint.get("asr_decoder", joint.get("decoder")) == "transducer":
        return ("enh_asr",), "stock ESPnet's joint task does not build transducers"
    if (joint.get("joint_conf") or {}).get("asr_fs"):
        reason = "SE and ASR have different sampling rates, and stock ESPnet does not resample"
        return ("enh_asr",), reason
    return (), ""


def stock_config(joint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration without this package's own options."""
    return {k: v for k, v in joint.items() if k not in PLUGIN_OPTIONS}


def pack(
    name: str, config: dict, weights: Mapping[str, torch.Tensor], outdir: Path, card: ModelCard
) -> Path:
    """Write one archive atomically."""
    part, kind, config_option, model_option = ARCHIVES[name]
    outdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=outdir, prefix=f".{name}.") as folder:
        staging = Path(folder)
        config = copy.deepcopy(config)  # the three configurations share their inner parts
        (staging / FILES).mkdir()
        brought = bring_files(config, staging / FILES, known_as=Path(FILES))
        extra = [*(f"{FILES}/{file}" for file in brought), "README.md"]
        (staging / "README.md").write_text(card.page([name]), encoding="utf-8")
        if name != "enh":
            extra.append(PACKED)
            write_yaml(staging / PACKED, asdict(card.decoding))
        write_yaml(staging / "config.yaml", config)
        stock = {k: v for k, v in weights.items() if k.startswith(STOCK_PARTS)}
        torch.save(select_weights(stock, part), staging / "model.pth")
        command = [sys.executable, "-m", "espnet2.bin.pack", kind, "--outpath", f"{name}.zip"]
        command += [f"--{config_option}", "config.yaml", f"--{model_option}", "model.pth"]
        for file in extra:
            command += ["--option", file]
        done = subprocess.run(command, cwd=staging, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"espnet2.bin.pack failed:\n{done.stderr}")
        archive = outdir / f"{name}.zip"
        (staging / archive.name).replace(archive)
    return archive
