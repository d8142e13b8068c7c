# SPDX-License-Identifier: Apache-2.0
"""Train an SE model.

Takes every option of ``espnet2.bin.enh_train``, and ``--dynamic_mixing_conf``.
"""

from espnet_cbpc.tasks.enh import EnhTask
from espnet_cbpc.utils.cli import run
from espnet_cbpc.versions import check_versions


def get_parser():
    """Return the parser of the command line."""
    return EnhTask.get_parser()


def main(cmd=None):
    """Train."""
    check_versions()
    EnhTask.main(cmd=cmd)


if __name__ == "__main__":
    run(main, set_up_logging=False)
