# SPDX-License-Identifier: Apache-2.0
"""Train SE and ASR jointly with CBPC and infoNCE.

Takes every option of espnet2.bin.enh_s2t_train and those listed under "CBPC related" and "Dynamic
mixing related".
"""

from espnet_cbpc.tasks.enh_asr_cbpc import EnhASRCBPCTask
from espnet_cbpc.utils.cli import run
from espnet_cbpc.versions import check_versions


def get_parser():
    """Return the parser of the command line."""
    parser = EnhASRCBPCTask.get_parser()
    parser.description = __doc__
    return parser


def main(cmd=None):
    """Train."""
    check_versions()
    EnhASRCBPCTask.main(cmd=cmd)


if __name__ == "__main__":
    run(main, set_up_logging=False)
