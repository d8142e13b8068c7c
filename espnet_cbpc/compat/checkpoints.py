# SPDX-License-Identifier: Apache-2.0
"""The checkpoint.pth that an ESPnet training run resumes from: repaired after a kill, and verified.

ESPnet writes checkpoint.pth and <epoch>epoch.pth in place, one after the other. A kill in between
leaves a truncated file, and resuming (or averaging, at the end) then fails. A checkpoint of
another release may hold what the running one refuses to read, or other names of parameters.
"""

import logging
import os
import zipfile
from pathlib import Path
from typing import Any, Callable

import torch

from espnet_cbpc.compat.releases import espnet_release
from espnet_cbpc.compat.weights import load_weights
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import PathLike, atomic_write, read_yaml

PROVEN_ON = ("202511", "202611")


def mend_checkpoints(expdir: PathLike) -> None:
    """Make the folder of an ESPnet training run fit for ``--resume true``.

    A checkpoint.pth that cannot be read is moved to checkpoint.pth.broken: training starts from
    scratch. Otherwise the model of its epoch is written again from it, if that file is missing or
    cannot be read.
    """
    expdir = Path(expdir)
    checkpoint = expdir / "checkpoint.pth"
    if not checkpoint.exists():
        return
    states = _readable(checkpoint)
    if states is None:
        broken = checkpoint.with_name("checkpoint.pth.broken")
        logging.warning(
            "%s: cannot be read (killed while writing, or disk full?): moved to %s; training "
            "starts from scratch",
            checkpoint,
            broken.name,
        )
        checkpoint.replace(broken)
        return
    model = expdir / f"{states['reporter']['epoch']}epoch.pth"
    if _readable(model) is None:
        logging.warning("%s: cannot be read; written again from %s", model, checkpoint)
        with atomic_write(model, "wb") as f:
            torch.save(states["model"], f)


def _readable(path: Path) -> Any:
    """Return what a file of our own training holds, None where it is missing or damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch does not look at checksums
        if damaged is None:
            return torch.load(path, map_location="cpu", weights_only=False)
        logging.info("%s: the checksum of %s is wrong", path, damaged)
    except Exception as e:  # zipfile and torch raise many kinds, by what is damaged
        logging.info("%s: %s: %s", path, type(e).__name__, e)
    return None


def check_resumable(expdir: PathLike, build_model: Callable[[], torch.nn.Module]) -> None:
    """Stop where the running release would refuse to resume, before anything is overwritten.

    Args:
        expdir: folder of a training run.
        build_model: makes the model of the run, if the checkpoint is of another release.

    Raises:
        UserError: a checkpoint.pth of another release that cannot be resumed from.
    """
    checkpoint, config = Path(expdir) / "checkpoint.pth", Path(expdir) / "config.yaml"
    if not checkpoint.exists() or not config.is_file():
        return
    made_on = str(read_yaml(config).get("version"))
    if made_on == espnet_release():
        return
    try:
        states = torch.load(checkpoint, map_location="cpu", weights_only=_refuses_pickles())
        _resume_as_espnet_does(build_model(), states, checkpoint)
    except Exception as e:  # as many kinds as there are ways not to fit
        raise UserError(
            f"{checkpoint}: was written by ESPnet {made_on}, and ESPnet {espnet_release()} cannot "
            f"resume from it ({type(e).__name__}): resume with ESPnet {made_on}; or train in another "
            "folder, with --init_param and a model from this one (such as its newest <epoch>epoch.pth)"
        ) from e


def _refuses_pickles() -> bool:
    """Whether the running release reads checkpoints of plain values alone."""
    try:
        import espnet2.torch_utils.safe_torch_load  # noqa: F401
    except ImportError:
        return False
    return os.environ.get("ESPNET_ALLOW_UNSAFE_TORCH_LOAD") != "1"


def _resume_as_espnet_does(
    model: torch.nn.Module, states: dict[str, Any], checkpoint: Path
) -> None:
    model.load_state_dict(states["model"])  # strict; of names, what the release itself maps
    load_weights(model, states["model"], checkpoint)
