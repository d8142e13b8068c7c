"""ESPnet's mask-based beamformer, which in training may give masks and no speech."""

from typing import Any, Dict, Mapping

import torch

PROVEN_ON = ("202511", "202611")

SPEECH = "spectrum"  # any name but mask_*: that the beamformer is applied in training, too


def beamforming_in_training(config: Mapping[str, Any]) -> Dict[str, Any]:
    """Return a joint configuration whose beamformer, if it has one, gives speech in training.

    A beamformer that was trained alone on masks (``loss_type: mask_mse``, ESPnet's default) would
    leave nothing to recognise.
    """
    if config.get("enh_separator") != "wpe_beamformer":
        return dict(config)
    conf = config.get("enh_separator_conf") or {}
    if not conf.get("loss_type", "mask_mse").startswith("mask"):
        return dict(config)
    return {**config, "enh_separator_conf": {**conf, "loss_type": SPEECH}}


def gives_masks_in_training(enh_model: torch.nn.Module) -> bool:
    """Return whether an SE model gives no speech while it is trained."""
    loss_type = getattr(enh_model.separator, "loss_type", None)
    return isinstance(loss_type, str) and loss_type.startswith("mask")
