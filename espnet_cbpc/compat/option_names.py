"""Names of ESPnet's options in configurations and archives, by which models are told apart."""

from typing import Any, Dict

PROVEN_ON = ("202511", "202611")

# How espnet2.bin.pack names a model's files in meta.yaml, and what else it may be called there.
PACKED_AS = {
    "asr": (("asr_train_config", "asr_model_file"),),
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
