# SPDX-License-Identifier: Apache-2.0
"""Trained parts to start from in ESPnet3, which has no ``init_param``."""

from collections.abc import Sequence

from lightning import Callback, LightningModule, Trainer

from espnet_cbpc.compat.initial_parameters import load_init_param


class InitParam(Callback):
    """Loads what ESPnet2's ``--init_param`` would, before anything runs.

    A checkpoint to resume from (``fit.ckpt_path``) is loaded after that, and so wins.

    Args:
        init_param: as :func:`.load_init_param` has it, such as ``asr.pth::s2t_model``.
    """

    def __init__(self, init_param: Sequence[str]):
        self.init_param = init_param

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Load them; Lightning calls this once, first."""
        for part in self.init_param:
            load_init_param(part, pl_module.model)
