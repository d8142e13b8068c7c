# SPDX-License-Identifier: Apache-2.0
"""Whisper's checkpoints as experiment folders of ESPnet."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from espnet_cbpc.compat.weights import load_weights
from espnet_cbpc.compat.whisper import (
    CHARACTERS,
    MULTILINGUAL,
    VOCABULARIES,
    WhisperTokenIDConverter,
    number_of_languages,
)
from espnet_cbpc.model_zoo.decoding_config import PACKED
from espnet_cbpc.model_zoo.whisper_name import PREFIX, TASKS, WhisperName
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import write_yaml
from espnet_cbpc.utils.whisper_package import whisper_package

GREEDY = {"beam_size": 1, "ctc_weight": 0.0}  # Whisper's own default


class Whisper(NamedTuple):
    """A model of openai-whisper: its sizes, and its parameters by name."""

    dims: dict[str, int]
    weights: Mapping[str, torch.Tensor]


def write_whisper(name: WhisperName, folder: Path) -> None:
    """Write a Whisper model as ``config.yaml``, ``model.pth`` and ``decode.yaml`` of ESPnet.

    Args:
        name: of the model, which openai-whisper fetches where its folder of models lacks it.
        folder: an existing empty folder.

    Raises:
        UserError: openai-whisper is not installed, no such model, no network, a file that is no
            checkpoint of Whisper or a damaged one, a language or a task that the model lacks.
    """
    found = _named(name.model) if name.path is None else _read(name.path)
    config = _config(found.dims, _prompt(name, found.dims["n_vocab"]))
    renamed = {re.sub(r"^(..coder)\.", r"\1.\1s.", k): w for k, w in found.weights.items()}
    torch.save(renamed, folder / "model.pth")
    for file, content in (("config.yaml", config), (PACKED, GREEDY)):
        write_yaml(folder / file, content)


def _named(name: str) -> Whisper:
    whisper = whisper_package()
    if name not in whisper.available_models():
        raise UserError(
            f"{PREFIX}{name}: no such file or Whisper model; the models are "
            f"{', '.join(whisper.available_models())}"
        )
    try:
        model = whisper.load_model(name, device="cpu")
    except (OSError, RuntimeError) as e:  # no network; or what came is not what was asked for
        raise UserError(
            f"{PREFIX}{name}: openai-whisper cannot fetch it ({e}): check the network, or "
            f"download the checkpoint elsewhere and give its path as {PREFIX}PATH"
        ) from e
    return Whisper(vars(model.dims), model.state_dict())


def _read(path: Path) -> Whisper:
    """Read a checkpoint and prove that the parameters are those of its sizes."""
    model = whisper_package().model
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        dims, weights = content["dims"], dict(content["model_state_dict"])
        dims = model.ModelDimensions(**dims)
    except Exception as e:  # torch raises many kinds for a file that is broken or something else
        raise UserError(
            f"{path}: not a checkpoint of openai-whisper, which holds dims and model_state_dict "
            f"({type(e).__name__}): give such a file, or fetch it again"
        ) from e
    if dims.n_vocab not in VOCABULARIES:
        raise UserError(
            f"{path}: has {dims.n_vocab} tokens, but Whisper models have one of "
            f"{', '.join(map(str, VOCABULARIES))}: give a checkpoint whose vocabulary is Whisper's"
        )
    load_weights(model.Whisper(dims), weights, path, remedy="fetch the checkpoint again")
    return Whisper(vars(dims), weights)


def _prompt(name: WhisperName, n_vocab: int) -> dict[str, str]:
    """Return language and task, once the model is known to have them."""
    tokenizer = whisper_package().tokenizer
    language = (name.language or "en").lower()
    language, task = tokenizer.TO_LANGUAGE_CODE.get(language, language), name.task or TASKS[0]
    if VOCABULARIES[n_vocab] != MULTILINGUAL and (language, task) != ("en", TASKS[0]):
        raise UserError(
            f"{PREFIX}{name.model}: {task} {language}: the model is English-only: use one "
            "without .en in its name"
        )
    known = list(tokenizer.LANGUAGES)[: number_of_languages(n_vocab)]
    if language not in known:
        raise UserError(
            f"{PREFIX}{name.model}: unknown language {language!r}: there are {', '.join(sorted(known))}"
        )
    return {"language": language, "task": task}


def _config(dims: Mapping[str, int], prompt: Mapping[str, str]) -> dict[str, Any]:
    """Return the configuration of an ESPnet ASR model; what ESPnet needs, and no more."""
    kind = VOCABULARIES[dims["n_vocab"]]
    audio, text = (
        {f"n_{key}": dims[f"n_{part}_{key}"] for key in ("ctx", "state", "head", "layer")}
        for part in ("audio", "text")
    )
    return {
        "token_list": WhisperTokenIDConverter(kind, n_vocab=dims["n_vocab"]).names,
        "token_type": kind,
        "bpemodel": kind,
        "non_linguistic_symbols": None,
        "cleaner": None,
        "g2p": None,
        "input_size": 1,  # samples
        "frontend": None,
        "frontend_conf": {},
        "specaug": None,
        "normalize": None,
        "preencoder": None,
        "encoder": "whisper",
        "encoder_conf": {"architecture": {"n_mels": dims["n_mels"], **audio}},
        "postencoder": None,
        "decoder": "whisper",
        "decoder_conf": {"architecture": text, **prompt},
        "ctc_conf": {},
        "model": "espnet",
        "model_conf": {
            "ctc_weight": 0.0,
            "sym_sos": "<|startoftranscript|>",
            "sym_eos": "<|endoftext|>",
            "sym_space": CHARACTERS[ord(" ")],
            "extract_feats_in_collect_stats": False,
        },
        "init": None,
    }
