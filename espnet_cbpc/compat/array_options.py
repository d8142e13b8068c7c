# SPDX-License-Identifier: Apache-2.0
"""Array-related options of ESPnet's SE models."""

from collections.abc import Mapping
from typing import Any, Optional

PROVEN_ON = ("202511", "202611")

SPEECH = "spectrum"  # any name but mask_*: that the beamformer is applied in training, too


def beamforming_in_training(config: Mapping[str, Any]) -> dict[str, Any]:
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


def stated_reference(config: Mapping[str, Any]) -> Optional[int]:
    """Return the reference channel of an SE configuration; None: none, or one that it chooses."""
    if config.get("separator") == "fasnet":
        return 0
    stated = (config.get("separator_conf") or {}).get("ref_channel")
    return stated if stated is not None and stated >= 0 else None
