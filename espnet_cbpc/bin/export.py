# SPDX-License-Identifier: Apache-2.0
"""Pack a joint experiment into archives that stock ESPnet loads: enh_asr.zip, enh.zip, asr.zip.

README.md beside them is a model card. With --space, also write the folder of a Hugging Face Space
for trying the joint model; with --model, only that, for a model that is already packed.
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
    parser.add_argument("--expdir", help="folder of the joint training run")
    parser.add_argument(
        "--model_file", help="checkpoint; empty: valid.loss_asr.ave.pth in the folder"
    )
    parser.add_argument("--outdir", help="folder for the archives")
    parser.add_argument(
        "--data", default="", help="description of the training data, for the model card"
    )
    parser.add_argument(
        "--license",
        default="",
        help="licence of the models, such as apache-2.0 or cc-by-4.0; empty: not stated",
    )
    parser.add_argument(
        "--decode_config", help="YAML file of the decoding options that the scores were made with"
    )
    parser.add_argument("--results", help="results.json of a report, with the scores")
    parser.add_argument("--system", help="name of this system in it; empty: the last one")
    parser.add_argument("--space", help="folder of a Space to write; must be new or empty")
    parser.add_argument(
        "--model",
        help="model of the Space, instead of --expdir and --outdir: a packed joint model, as an "
        "archive, zoo tag, Hugging Face id or URL",
    )
    return parser


def main(cmd=None) -> None:
    """Pack, and write the Space."""
    args = get_parser().parse_args(cmd)
    packs = bool(args.expdir and args.outdir)
    if packs == bool(args.model) or (args.model and not args.space):
        raise UserError("give --expdir and --outdir to pack a model, or --model and --space")
    if packs:
        pack(args)
    if args.space:
        from espnet_cbpc.demo.space import write_space

        model = args.model or str(Path(args.outdir) / "enh_asr.zip")
        write_space(args.space, model, args.license)
        logging.info("%s: the folder of a Space; its README.md says what to do with it", args.space)


def pack(args: argparse.Namespace) -> None:
    """Pack the models of an experiment."""
    from espnet_cbpc.model_zoo.decoding_config import DecodingConfig
    from espnet_cbpc.model_zoo.exporting import export, read_joint  # imports torch
    from espnet_cbpc.model_zoo.model_card import ModelCard
    from espnet_cbpc.scoring.report.markdown import read_scores

    expdir, outdir = Path(args.expdir), Path(args.outdir)
    scores = read_scores(args.results, args.system) if args.results else ""
    model_file = Path(args.model_file or expdir / "valid.loss_asr.ave.pth")
    decoding = DecodingConfig.read(args.decode_config) if args.decode_config else DecodingConfig()
    joint = read_joint(expdir / "config.yaml")
    card = ModelCard(joint, decoding, args.data, args.license, scores)
    for archive in export(expdir / "config.yaml", model_file, outdir, card):
        logging.info("%s (%.1f MB)", archive, archive.stat().st_size / 1e6)


if __name__ == "__main__":
    run(main)
