# SPDX-License-Identifier: Apache-2.0
"""The joint task's preprocessing in ESPnet3."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor

from espnet_cbpc.tasks.enh_asr_cbpc import EnhASRCBPCTask
from espnet_cbpc.utils.cli import UserError

# Options that ESPnet2 follows outside the model and the preprocessor, and ESPnet3 would ignore.
NOT_FOLLOWED = {
    "dynamic_mixing_conf": "train with python -m espnet_cbpc.bin.enh_asr_cbpc_train",
    "init_param": "give them to espnet_cbpc.espnet3.init_param.InitParam in trainer.callbacks",
}


class Preprocessor(AbsPreprocessor):
    """What the task does to an utterance before it goes into a batch.

    Args:
        options: those of the training command, which ESPnet3 calls ``model``.
        train: whether it is for training; ESPnet3 sets it.

    Raises:
        UserError: options that the task does not have, or that ESPnet3 does not follow.
    """

    def __init__(self, options: Mapping[str, Any], train: bool):
        super().__init__(train)
        args = EnhASRCBPCTask.get_parser().parse_args(["--output_dir", "unused"])
        unknown = options.keys() - vars(args).keys()
        if unknown:
            raise UserError(f"model: the task has no option {', '.join(sorted(unknown))}")
        for name, remedy in NOT_FOLLOWED.items():
            if options.get(name):
                raise UserError(f"model: ESPnet3 does not support {name}; {remedy}")
        vars(args).update(options)
        self.preprocess: Any = EnhASRCBPCTask.build_preprocess_fn(args, train)

    def __call__(self, uid: str, data: dict[str, Any]) -> dict[str, np.ndarray]:
        """Process one utterance's data, by name."""
        return self.preprocess(uid, data)
