# SPDX-License-Identifier: Apache-2.0
"""Import a pretrained ESPnet ASR or SE model into an experiment folder, with every weight verified.

Writes config.yaml, model.pth and the files that the configuration names. The folder is written
atomically, and does not depend on where the model came from.
"""

import argparse
import logging
from pathlib import Path

from espnet_cbpc.utils.cli import UserError, run


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--kind", required=True, choices=("asr", "enh"), help="what it must be")
    parser.add_argument(
        "--model",
        required=True,
        help="folder, archive, 'config.yaml,model.pth', URL, tag of espnet_model_zoo, or "
        "user/name[@revision] of Hugging Face; or an ASR model as whisper:NAME[:LANGUAGE[:TASK]]",
    )
    parser.add_argument(
        "--checkpoint", help="its file name, where the model is an experiment folder"
    )
    parser.add_argument(
        "--cachedir", help="folder for downloads; default: espnet_cbpc in the user's cache"
    )
    parser.add_argument("--outdir", required=True, help="folder to make")
    return parser


def main(cmd=None) -> None:
    """Bring a model."""
    args = get_parser().parse_args(cmd)
    from espnet_cbpc.model_zoo.importing import import_model  # slow to import

    if Path(args.outdir).exists():
        raise UserError(f"{args.outdir} exists: remove it, or give another --outdir")
    size = import_model(args.kind, args.model, args.outdir, args.cachedir, args.checkpoint)
    logging.info("%s: %d parameters, all from %s", args.outdir, size, args.model)


if __name__ == "__main__":
    run(main)
