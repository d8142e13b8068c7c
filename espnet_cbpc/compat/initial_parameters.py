# SPDX-License-Identifier: Apache-2.0
"""``--init_param FILE[:SOURCE[:TARGET[:EXCLUDED]]]`` of ESPnet's training commands, verified.

ESPnet's own takes names of another release for parameters of another model: on 202611 a subsampling
projection from 202511 is silently dropped, and training starts from a random one.
"""

import logging
from operator import attrgetter
from pathlib import Path
from typing import Union

import torch
from espnet2.tasks import abs_task

from espnet_cbpc.compat.parameter_names import named_as
from espnet_cbpc.compat.weights import load_weights, read_weights, select_weights
from espnet_cbpc.utils.cli import UserError, listed

PROVEN_ON = ("202511", "202611")

REMEDY = (
    "exclude the parameters to keep (FILE:SOURCE:TARGET:EXCLUDED,...), or load what fits with "
    "--ignore_init_mismatch true"
)


def install() -> None:
    """Let training runs in this process initialise parameters by :func:`load_init_param`."""
    abs_task.load_pretrained_model = load_init_param


def load_init_param(
    init_param: str,
    model: torch.nn.Module,
    ignore_init_mismatch: bool = False,
    map_location: Union[str, torch.device] = "cpu",
) -> None:
    """Set the parameters and buffers of a model, or of a part of it, all of them.

    Args:
        init_param: a checkpoint; the part of it to take, and the part of the model to set, as
            dotted names; and beginnings of names in the checkpoint, joined by commas, that are not
            taken. What those would have set is left unchanged, and so does what the model names in
            ``SET_BY_TRAINING``.
        model: of the training.
        ignore_init_mismatch: take what fits, and log which parameters are kept.
        map_location: unused, as parameters are copied to where the model is.

    Raises:
        UserError: no such file or part, or parameters that are missing, left over, or of another
            shape.
    """
    path, source, target, excluded = _parse(init_param)
    module = _part(model, target, init_param)
    weights = _taken(read_weights(path), source, excluded)
    expected = module.state_dict()
    optional = tuple(getattr(module, "SET_BY_TRAINING", ()))
    optional += tuple(_below(source, name) for name in excluded)
    if ignore_init_mismatch:
        weights = _fitting(expected, named_as(expected, weights), path)
        optional = tuple(expected)
    load_weights(module, weights, f"--init_param {init_param}", optional, REMEDY)


def _parse(init_param: str) -> tuple[Path, str, str, tuple[str, ...]]:
    path, source, target, excluded = (init_param.split(":", 3) + ["", "", ""])[:4]
    return Path(path), source, target, tuple(filter(None, excluded.split(",")))


def _part(model: torch.nn.Module, target: str, init_param: str) -> torch.nn.Module:
    try:
        return attrgetter(target)(model) if target else model
    except AttributeError as e:
        raise UserError(f"--init_param {init_param}: the model has no part {target}") from e


def _taken(weights: dict, source: str, excluded: tuple[str, ...]) -> dict[str, torch.Tensor]:
    kept = {k: v for k, v in weights.items() if not (excluded and k.startswith(excluded))}
    return select_weights(kept, source)


def _below(source: str, name: str) -> str:
    """Return what a name of the checkpoint is called within its part ``source``."""
    return name[len(source) + 1 :] if source and name.startswith(f"{source}.") else name


def _fitting(expected: dict, weights: dict, path: Path) -> dict[str, torch.Tensor]:
    fit = {k: v for k, v in weights.items() if k in expected and v.shape == expected[k].shape}
    kept = sorted(expected.keys() - fit.keys())
    logging.warning(
        "%s: sets %d of %d parameters and buffers; %d are kept (%s), as "
        "--ignore_init_mismatch allows",
        path,
        len(fit),
        len(expected),
        len(kept),
        listed(kept),
    )
    return fit
