# SPDX-License-Identifier: Apache-2.0
"""Names of ESPnet's options in configurations and archives, which tell kinds of models apart."""

from collections.abc import Mapping
from typing import Any

from espnet_cbpc.utils.cli import UserError

PROVEN_ON = ("202511", "202611")

# How espnet2.bin.pack names a model's files in meta.yaml, and what else it may be called there.
PACKED_AS = {
    "asr": (
        ("asr_train_config", "asr_model_file"),
        ("s2t_train_config", "s2t_model_file"),  # OWSM
    ),
    "enh": (("train_config", "model_file"),),
    "enh_asr": (
        ("asr_train_config", "asr_model_file"),  # as this package exports it
        ("enh_s2t_train_config", "enh_s2t_model_file"),
    ),
}
# What an ASR model brings under its own name, and under asr_<name>, to ESPnet's joint task.
ASR_SHARED = (
    "token_list",
    "token_type",
    "bpemodel",
    "non_linguistic_symbols",
    "cleaner",
    "g2p",
    "input_size",
    "frontend",
    "frontend_conf",
    "specaug",
    "specaug_conf",
    "normalize",
    "normalize_conf",
    "ctc_conf",
    "joint_net_conf",
)
ASR_PREFIXED = (
    "preencoder",
    "preencoder_conf",
    "encoder",
    "encoder_conf",
    "postencoder",
    "postencoder_conf",
    "decoder",
    "decoder_conf",
    "model_conf",
)
ENH_PREFIXED = (
    "encoder",
    "encoder_conf",
    "separator",
    "separator_conf",
    "mask_module",
    "mask_module_conf",
    "decoder",
    "decoder_conf",
    "model_conf",
    "criterions",
)

LANGUAGE_AND_TASK = ("<eng>", "<asr>")  # what OWSM is asked for
WHISPER_RATE = 16000  # Hz; no configuration of a Whisper encoder states it


def model_kind(options: dict[str, Any]) -> str:
    """Return what a configuration is one of: ``asr``, ``enh``, ``enh_asr`` or ``other``."""
    if "subtask_series" in options:
        return "enh_asr"
    if "separator" in options:
        return "enh"
    is_asr = {"token_list", "ctc_conf", "encoder"} <= options.keys()
    return (
        "asr"
        if is_asr and not {"src_token_list", "joint_network_conf"} & options.keys()
        else "other"
    )


def as_asr_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ASR configuration of an OWSM model; any other configuration as it is.

    ESPnet's tasks S2T and ASR build the same parts, whose parameters have the same names; what S2T
    also has is passed to :class:`.owsm.OWSMDecoder` or :class:`.owsm.OWSMCTCEncoder`.

    Args:
        config: of a training run.

    Raises:
        UserError: an S2T model with another kind of decoder or encoder.
    """
    if not str(config.get("preprocessor")).startswith("s2t"):
        return dict(config)
    if "promptencoder" in config:
        parts = _parts_of_owsm_ctc(config)
    elif config.get("decoder") == "transformer":
        parts = _parts_of_owsm(config)
    else:
        raise UserError(
            f"an S2T model with the decoder {config.get('decoder')}: the supported S2T models are "
            "those with a Transformer decoder, and OWSM-CTC"
        )
    model_conf = {"sym_sos": "<sos>", "sym_eos": "<eos>", **config["model_conf"]}
    model_conf.update(parts.pop("model_conf", {}))
    known = {k: v for k, v in model_conf.items() if k not in ("sym_sop", "sym_na", "ctc_asr_only")}
    asr = {"model": "espnet", "preprocessor": "default", "preprocessor_conf": {}}
    return {**config, **asr, **parts, "model_conf": known}


def _parts_of_owsm(config: Mapping[str, Any]) -> dict[str, Any]:
    given = config.get("preprocessor_conf") or {}
    times = (("first_time_symbol", "<0.00>"), ("last_time_symbol", "<30.00>"))
    asked = {
        "prompt": [*LANGUAGE_AND_TASK, given.get("notime_symbol", "<notimestamps>")],
        "timestamps": [given.get(option, default) for option, default in times],
        "window": float(given.get("speech_length", 30)),
    }
    return {"decoder": "owsm", "decoder_conf": {**config["decoder_conf"], **asked}}


def _parts_of_owsm_ctc(config: Mapping[str, Any]) -> dict[str, Any]:
    if config["encoder"] != "e_branchformer_ctc":
        raise UserError(f"OWSM-CTC with the encoder {config['encoder']}: use e_branchformer_ctc")
    tokens = config["token_list"]
    if isinstance(tokens, str):
        with open(tokens, encoding="utf-8") as f:
            tokens = [line.rstrip() for line in f]
    given = config.get("preprocessor_conf") or {}
    prompt = {
        "vocabulary": len(tokens),
        "kind": config["promptencoder"],
        "options": config["promptencoder_conf"],
        "before": [tokens.index(given.get("na_symbol", "<na>"))],
        "prefix": [tokens.index(token) for token in LANGUAGE_AND_TASK],
        "window": float(given.get("speech_length", 30)),
    }
    return {
        "encoder": "owsm_ctc",
        "encoder_conf": {**config["encoder_conf"], "prompt": prompt},
        "preencoder": None,
        "postencoder": None,
        "decoder": None,
        "model_conf": {"ctc_weight": 1.0},
    }
