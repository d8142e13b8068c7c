# SPDX-License-Identifier: Apache-2.0
"""ESPnet's ASR task, verifying that initial weights are loaded."""

import argparse
from typing import Callable, Optional

from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.tasks import asr

from espnet_cbpc.compat.whisper import set_prompt, support_whisper
from espnet_cbpc.tasks.training_run import TrainingRun


class ASRTask(TrainingRun, asr.ASRTask):
    """ESPnet's ASR task."""

    transcripts = "text"

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool) -> Optional[Callable]:
        """Return the stock preprocessor; of Whisper with the prompt of its decoder."""
        support_whisper()
        preprocess = super().build_preprocess_fn(args, train)
        set_prompt(preprocess, args.token_list, args.decoder_conf)
        return preprocess

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ESPnetASRModel:
        """Build the stock model."""
        support_whisper()
        return super().build_model(args)
