"""Put right the checkpoints of a training that was killed while it wrote one, before it resumes."""

import argparse

from espnet_cbpc.utils.cli import run


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("expdir", help="folder of an ESPnet training")
    return parser


def main(cmd=None) -> None:
    """Mend."""
    args = get_parser().parse_args(cmd)
    from espnet_cbpc.compat.checkpoints import mend_checkpoints  # imports torch

    mend_checkpoints(args.expdir)


if __name__ == "__main__":
    run(main)
