# SPDX-License-Identifier: Apache-2.0
"""Train an ASR model with ESPnet's own task, verifying that initial weights are loaded.

Takes every option of ``espnet2.bin.asr_train``.
"""

from espnet_cbpc.tasks.asr import ASRTask
from espnet_cbpc.utils.cli import run
from espnet_cbpc.versions import check_versions


def get_parser():
    """Return the parser of the command line."""
    return ASRTask.get_parser()


def main(cmd=None):
    """Train."""
    check_versions()
    ASRTask.main(cmd=cmd)


if __name__ == "__main__":
    run(main, set_up_logging=False)
