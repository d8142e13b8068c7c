"""Names of ESPnet's options in configurations and archives, by which models are told apart."""

from typing import Any, Dict, Mapping

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

WHISPER_RATE = 16000  # Hz; no configuration of a Whisper encoder states it


def model_kind(options: Dict[str, Any]) -> str:
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


def as_asr_config(config: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the ASR configuration of an OWSM model; any other configuration as it is.

    ESPnet's tasks S2T and ASR build the same parts, whose parameters have the same names.

    Args:
        config: of a training.

    Raises:
        UserError: an S2T model of another kind: CTC alone, or another decoder.
    """
    if not str(config.get("preprocessor")).startswith("s2t"):
        return dict(config)
    if "promptencoder" in config or config.get("decoder") != "transformer":
        raise UserError(
            "of S2T models those with a Transformer decoder are taken; OWSM-CTC, whose encoder takes "
            "a prompt, is not: give an encoder-decoder such as espnet/owsm_v3.1_ebf_base"
        )
    given = config.get("preprocessor_conf") or {}
    prompt = ["<eng>", "<asr>", given.get("notime_symbol", "<notimestamps>")]
    model_conf = {"sym_sos": "<sos>", "sym_eos": "<eos>", **config["model_conf"]}
    return {
        **config,
        "model": "espnet",
        "model_conf": {k: v for k, v in model_conf.items() if k not in ("sym_sop", "sym_na")},
        "decoder": "owsm",
        "decoder_conf": {
            **config["decoder_conf"],
            "prompt": prompt,
            "timestamps": [
                given.get("first_time_symbol", "<0.00>"),
                given.get("last_time_symbol", "<30.00>"),
            ],
            "window": float(given.get("speech_length", 30)),
        },
        "preprocessor": "default",
        "preprocessor_conf": {},
    }
