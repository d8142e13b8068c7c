"""Put right what a training leaves that was killed while it wrote a checkpoint.

ESPnet writes checkpoint.pth and <epoch>epoch.pth in place, one after the other. A kill in between
leaves a file that is cut short, and resuming (or averaging, at the end) then fails.
"""

import logging
import zipfile
from pathlib import Path
from typing import Union

import torch

from espnet_cbpc.utils.files import atomic_write


def mend_checkpoints(expdir: Union[str, Path]) -> None:
    """Make the folder of an ESPnet training fit for ``--resume true``.

    A checkpoint.pth that is cut short is removed: the training begins anew. Otherwise the model of
    its epoch is written again from it, if that file is missing or cut short.
    """
    expdir = Path(expdir)
    checkpoint = expdir / "checkpoint.pth"
    if not checkpoint.exists():
        return
    if not zipfile.is_zipfile(checkpoint):
        logging.warning("%s: cut short by a kill; the training begins anew", checkpoint)
        checkpoint.unlink()
        return
    states = torch.load(checkpoint, map_location="cpu", weights_only=False)  # our own file
    model = expdir / f"{states['reporter']['epoch']}epoch.pth"
    if not zipfile.is_zipfile(model):
        logging.warning("%s: cut short by a kill; written again from %s", model, checkpoint)
        with atomic_write(model, "wb") as f:
            torch.save(states["model"], f)
