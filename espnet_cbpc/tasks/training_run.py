"""What all training runs share: weights that are proven to be loaded, and a start that can fail."""

import argparse

from espnet_cbpc.compat import init_param
from espnet_cbpc.compat.checkpoints import check_resumable


class TrainingRun:
    """Mixed into a task of ESPnet, before it."""

    @classmethod
    def main_worker(cls, args: argparse.Namespace) -> None:
        """Train in this process, one of several where the training is distributed.

        Raises:
            UserError: ``--init_param`` or checkpoint.pth that does not fit.
        """
        if args.resume and not args.collect_stats:
            check_resumable(args.output_dir, lambda: cls.build_model(args))
        init_param.install()
        super().main_worker(args)
