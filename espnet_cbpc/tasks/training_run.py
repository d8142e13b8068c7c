# SPDX-License-Identifier: Apache-2.0
"""What all training runs share: initial weights verified, transcripts checked to fit."""

import argparse
from pathlib import Path
from typing import Any, Callable, Optional

from espnet_cbpc.compat import initial_parameters
from espnet_cbpc.compat.checkpoints import check_resumable
from espnet_cbpc.tasks.collected_lengths import check_collected
from espnet_cbpc.utils.extras import check_extra


class TrainingRun:
    """Mixed into a task of ESPnet, before it.

    Attributes:
        transcripts: the data name of the transcripts that CTC learns from; None: there are none.
    """

    transcripts: Optional[str] = None

    build_model: Callable[[argparse.Namespace], Any]  # of the task

    @classmethod
    def main_worker(cls, args: argparse.Namespace) -> None:
        """Train in this process, one of several where the training is distributed.

        Raises:
            UserError: ``--init_param`` or checkpoint.pth that does not fit; a package that ESPnet
                trains with is not installed; or, once statistics are collected, transcripts of
                which none fits into the encoder's frames.
        """
        check_extra("training", "train")
        if args.resume and not args.collect_stats:
            check_resumable(args.output_dir, lambda: cls.build_model(args))
        initial_parameters.install()
        super().main_worker(args)  # type: ignore[misc]
        if args.collect_stats and cls.transcripts is not None:
            check_collected(Path(args.output_dir), cls.transcripts, cls.build_model(args))
