# SPDX-License-Identifier: Apache-2.0
"""Model parameters: read without running code that a file may hold, and verified to fit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Optional

import torch

from espnet_cbpc.compat.parameter_names import named_as
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import PathLike

PROVEN_ON = ("202511", "202611")


def read_weights(path: PathLike) -> dict[str, torch.Tensor]:
    """Return the tensors in a checkpoint of ESPnet by name, on the CPU.

    Raises:
        UserError: no such file, not a checkpoint, or one that would have to run code to be read.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: no such checkpoint: train the model first, or correct the path")
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as e:  # torch raises many kinds for a file that is broken or something else
        raise UserError(
            f"{path}: not a readable file of model parameters ({type(e).__name__}): train or "
            "download it again"
        ) from e
    if isinstance(weights, dict) and isinstance(weights.get("module"), dict):
        weights = weights["module"]  # as deepspeed saves it
    tensors = isinstance(weights, dict) and all(map(torch.is_tensor, weights.values()))
    if not tensors or not weights:
        raise UserError(
            f"{path}: does not hold the parameters of one model: give a file such as "
            "valid.acc.ave.pth or 10epoch.pth, not checkpoint.pth"
        )
    return dict(weights)


def load_weights(
    model: torch.nn.Module,
    weights: Mapping[str, torch.Tensor],
    path: PathLike,
    optional: tuple[str, ...] = (),
    remedy: str = "give the config.yaml that was saved beside it",
) -> None:
    """Set every parameter and buffer of ``model``, and prove it.

    ESPnet's own loading takes what it finds and leaves the rest random.

    Args:
        model: built from the configuration that belongs to the weights.
        weights: of :func:`read_weights`, under the names of either release of ESPnet.
        path: where they are from, for the message.
        optional: beginnings of names that may be missing, and then are left unchanged.
        remedy: what the message says is to be done.

    Raises:
        UserError: parameters or buffers that are missing, left over or with a different shape.
    """
    expected = model.state_dict()
    weights = named_as(expected, weights)
    required = {k for k in expected if not (optional and k.startswith(optional))}
    unfit = [
        f"{k}: {tuple(weights[k].shape)} instead of {tuple(expected[k].shape)}"
        for k in expected
        if k in weights and weights[k].shape != expected[k].shape
    ]
    faults = _faults(
        {
            "missing": sorted(required - weights.keys()),
            "left over": sorted(weights.keys() - expected.keys()),
            "with a different shape": unfit,
        }
    )
    if faults:
        raise UserError(
            f"{path}: does not fit its configuration, of {len(expected)} parameters and buffers "
            f"{faults}: {remedy}"
        )
    model.load_state_dict({**expected, **weights})
    loaded = model.state_dict()
    kept = [k for k, w in weights.items() if not torch.equal(loaded[k], w.to(loaded[k]))]
    if kept:
        raise RuntimeError(f"{path}: ESPnet did not load {len(kept)} of them ({listed(kept)})")


def select_weights(weights: Mapping[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    """Return the weights of the submodule ``part`` under their names within it; "" takes all."""
    prefix = f"{part}." if part else ""
    return {k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)}


def decoder_and_vocabulary(
    weights: Mapping[str, torch.Tensor], part: str = ""
) -> tuple[bool, Optional[int]]:
    """Return whether an ASR model has a decoder beside CTC, and how many tokens it has.

    Args:
        weights: of the model, or of one that holds it.
        part: how the latter begins the names of its parameters, such as ``"s2t_model."``.

    Returns:
        The number of tokens is None where there is no CTC.
    """
    ctc = weights.get(f"{part}ctc.ctc_lo.weight")  # (V, D)
    has_decoder = any(name.startswith(f"{part}decoder.") for name in weights)
    return has_decoder, None if ctc is None else len(ctc)


def _faults(kinds: Mapping[str, list[str]]) -> str:
    return "; ".join(
        f"{len(names)} {kind} ({listed(names)})" for kind, names in kinds.items() if names
    )
