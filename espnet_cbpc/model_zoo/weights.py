"""Parameters of a model: read without running code they may hold, and proven to fit."""

from pathlib import Path
from typing import Dict, List, Mapping, Union

import torch

from espnet_cbpc.utils.cli import UserError, listed


def read_weights(path: Union[str, Path]) -> Dict[str, torch.Tensor]:
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
            f"{path}: not a readable file of model parameters ({type(e).__name__}): train or fetch "
            "it anew"
        ) from e
    if isinstance(weights, dict) and isinstance(weights.get("module"), dict):
        weights = weights["module"]  # as deepspeed saves it
    tensors = isinstance(weights, dict) and all(map(torch.is_tensor, weights.values()))
    if not tensors or not weights:
        raise UserError(
            f"{path}: holds something other than the parameters of one model: give a file such as "
            "valid.acc.ave.pth or 10epoch.pth, not checkpoint.pth"
        )
    return dict(weights)


def load_weights(
    model: torch.nn.Module, weights: Mapping[str, torch.Tensor], path: Union[str, Path]
) -> None:
    """Set every parameter and buffer of ``model``.

    ESPnet's own loading takes what is there and leaves the rest random.

    Args:
        model: built from the configuration that belongs to the weights.
        weights: of :func:`read_weights`.
        path: where they are from, for the message.

    Raises:
        UserError: parameters or buffers that are missing, left over or of another shape.
    """
    weights = _as_named_now(model, weights)
    expected = model.state_dict()
    missing = sorted(expected.keys() - weights.keys())
    extra = sorted(weights.keys() - expected.keys())
    unfit = [
        f"{k}: {tuple(weights[k].shape)} instead of {tuple(expected[k].shape)}"
        for k in expected
        if k in weights and weights[k].shape != expected[k].shape
    ]
    faults = _faults({"missing": missing, "left over": extra, "of another shape": unfit})
    if faults:
        raise UserError(
            f"{path}: does not fit its configuration, of {len(expected)} parameters and buffers "
            f"{faults}: give the config.yaml that was saved beside it"
        )
    model.load_state_dict(weights)


def _faults(kinds: Mapping[str, List[str]]) -> str:
    return "; ".join(
        f"{len(names)} {kind} ({listed(names)})" for kind, names in kinds.items() if names
    )


def _as_named_now(
    model: torch.nn.Module, weights: Mapping[str, torch.Tensor]
) -> Dict[str, torch.Tensor]:
    """Take over a name that ESPnet's S3PRL frontend has changed since its first models."""
    old, new = "frontend.upstream.model.", "frontend.upstream.upstream.model."
    renamed = any(new in key for key in model.state_dict())
    return {k.replace(old, new) if renamed and new not in k else k: v for k, v in weights.items()}
