# SPDX-License-Identifier: Apache-2.0
"""Training configurations that start from trained models, built from the models' own."""

from collections.abc import Mapping
from typing import Any, Optional

from espnet_cbpc.compat.array_options import beamforming_in_training
from espnet_cbpc.compat.option_names import (
    ASR_PREFIXED,
    ASR_SHARED,
    ENH_PREFIXED,
    WHISPER_RATE,
)
from espnet_cbpc.data.audio.audio_file import sampling_rate
from espnet_cbpc.utils.cli import UserError


def joint_config(
    training: Mapping[str, Any],
    asr: Mapping[str, Any],
    enh: Mapping[str, Any],
    layer: Optional[int] = None,
    fs: Optional[int] = None,
    asr_update: bool = True,
    use_transcripts: bool = True,
) -> dict[str, Any]:
    """Return a joint training configuration.

    Both models keep the architecture they were trained with, so that their weights fit; what
    ``training`` says itself wins. A beamformer that was trained on masks is trained on speech here.

    Args:
        training: the user's training configuration: optimiser, batches, contrastive criterions; a
            ``title`` in it is for reports.
        asr: configuration that an ASR training wrote (config.yaml).
        enh: the same of an SE training.
        layer: encoder block that the tokenizer was fitted on; None: the encoder's output.
        fs: sampling rate of the data and the SE model in Hz; where the ASR model's configuration
            states another one, speech is resampled in between.
        asr_update: False freezes the ASR model, whatever ``training`` says.
        use_transcripts: False leaves the ASR loss out, whatever ``training`` says.

    Raises:
        UserError: OWSM is to be trained, or to learn from transcripts.
    """
    check_use(asr, asr_update, use_transcripts)
    config = {k: asr[k] for k in ASR_SHARED if k in asr}
    config.update({f"asr_{k}": asr[k] for k in ASR_PREFIXED if k in asr})
    config.update({f"enh_{k}": enh[k] for k in ENH_PREFIXED if k in enh})
    config.update(use_preprocessor=True, text_name=["text_spk1"])
    config.update({key: value for key, value in training.items() if key != "title"})
    config = beamforming_in_training(config)
    joint_conf = dict(config.get("joint_conf") or {})
    if layer is not None:
        joint_conf.setdefault("layer", layer)
    asr_fs = asr_sampling_rate(asr)
    if fs is not None and asr_fs not in (None, fs):
        joint_conf.update(enh_fs=fs, asr_fs=asr_fs)
    if not asr_update:
        joint_conf["update"] = "enh"
    if not use_transcripts:
        joint_conf["alpha"] = 1.0
        config["best_model_criterion"] = [["valid", "loss", "min"]]  # there is no loss_asr
    return {**config, "joint_conf": joint_conf}


def check_use(asr: Mapping[str, Any], asr_update: bool, use_transcripts: bool) -> None:
    """Raise ``UserError`` where an ASR model cannot be used as it is asked to be.

    Args:
        asr: its configuration.
        asr_update: whether it is to be trained.
        use_transcripts: whether its loss on transcripts is to be computed.
    """
    is_owsm = asr.get("decoder") == "owsm" or asr.get("encoder") == "owsm_ctc"
    if is_owsm and (asr_update or use_transcripts):
        raise UserError(
            "OWSM must be frozen and trained without transcripts: give --asr_update false and "
            "--use_transcripts false"
        )


def asr_config(training: Mapping[str, Any], asr: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration for fine-tuning an ASR model.

    Args:
        training: the user's: optimiser, batches; what it says itself wins.
        asr: configuration that the model's own training wrote (config.yaml).
    """
    kept = {k: asr[k] for k in (*ASR_SHARED, *ASR_PREFIXED) if k in asr}
    return {**kept, "use_preprocessor": True, **training}


def asr_sampling_rate(asr: Mapping[str, Any]) -> Optional[int]:
    """Return the sampling rate in Hz that an ASR configuration states, None if it states none."""
    if "whisper" in (asr.get("encoder"), asr.get("asr_encoder")):
        return WHISPER_RATE
    fs = (asr.get("frontend_conf") or {}).get("fs")
    return None if fs is None else sampling_rate(str(fs))


def split_config(joint: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the ASR and the SE configuration (``asr``, ``enh``) within a joint one."""
    asr = {k: joint[k] for k in ASR_SHARED if k in joint}
    asr.update({k: joint[f"asr_{k}"] for k in ASR_PREFIXED if f"asr_{k}" in joint})
    enh = {k: joint[f"enh_{k}"] for k in ENH_PREFIXED if f"enh_{k}" in joint}
    common = {"use_preprocessor": True, "init": None}
    return {"asr": {**asr, **common}, "enh": {**enh, **common}}
