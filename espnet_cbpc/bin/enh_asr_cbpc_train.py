"""Joint training of SE and ASR with CBPC and infoNCE.

Takes every option of ``espnet2.bin.enh_s2t_train`` and those that ``--help`` lists under
"CBPC related".
"""

import sys

from espnet_cbpc.tasks.enh_asr_cbpc import EnhASRCBPCTask
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.versions import check_versions


def get_parser():
    """Return the parser of the command line."""
    return EnhASRCBPCTask.get_parser()


def main(cmd=None):
    """Train."""
    check_versions()
    EnhASRCBPCTask.main(cmd=cmd)


if __name__ == "__main__":
    # Logging is ESPnet's own here: it sets it up by --log_level.
    try:
        main()
    except UserError as e:
        sys.exit(f"error: {e}")
