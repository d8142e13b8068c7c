# SPDX-License-Identifier: Apache-2.0
"""ESPnet's SE task, with dynamic mixing and a faster normalisation."""

import argparse
from typing import Any, Callable, Optional

from espnet2.enh.espnet_model import ESPnetEnhancementModel
from espnet2.tasks.enh import EnhancementTask

from espnet_cbpc.compat.fused_norm import fuse_norms
from espnet_cbpc.compat.input_channels import input_channels
from espnet_cbpc.compat.wpe import support_doubled_channels
from espnet_cbpc.tasks.dynamic_mixing_task import DynamicMixingTask
from espnet_cbpc.tasks.training_run import TrainingRun


class EnhTask(TrainingRun, DynamicMixingTask, EnhancementTask):
    """ESPnet's SE task with the option ``--dynamic_mixing_conf``.

    Its training data are utterances with a clean reference, ``speech_ref1``; what they have as
    ``speech_mix`` matters only where mixing leaves an utterance as it is given.
    """

    speech_name = "speech_mix"

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool) -> Optional[Callable]:
        """Return the stock preprocessor, followed by mixing in training."""
        return cls.mix_after(super().build_preprocess_fn(args, train), args, train)

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ESPnetEnhancementModel:
        """Build the stock model, its gLN in one kernel; it checks the channels that it is given."""
        support_doubled_channels()
        model = fuse_norms(super().build_model(args))
        model.register_forward_pre_hook(_check_channels, with_kwargs=True)
        return model


def _check_channels(model: ESPnetEnhancementModel, args: tuple, kwargs: dict[str, Any]) -> None:
    """Raise ``UserError`` before a forward pass that the channels do not fit."""
    speech = args[0] if args else kwargs["speech_mix"]
    input_channels(model).check(speech, model.training)
