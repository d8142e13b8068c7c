"""Pack a joint experiment into archives that stock ESPnet loads: enh_asr.zip, enh.zip, asr.zip."""

import argparse
import logging
from pathlib import Path

from espnet_cbpc.utils.cli import run


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--expdir", required=True, help="folder of the joint training")
    parser.add_argument(
        "--model_file", help="checkpoint; empty: valid.loss_asr.ave.pth in the folder"
    )
    parser.add_argument("--outdir", required=True, help="folder for the archives")
    return parser


def main(cmd=None) -> None:
    """Pack."""
    args = get_parser().parse_args(cmd)
    from espnet_cbpc.model_zoo.export import export  # imports torch

    expdir = Path(args.expdir)
    model_file = Path(args.model_file or expdir / "valid.loss_asr.ave.pth")
    for archive in export(expdir / "config.yaml", model_file, Path(args.outdir)):
        logging.info("%s (%.1f MB)", archive, archive.stat().st_size / 1e6)


if __name__ == "__main__":
    run(main)
