# SPDX-License-Identifier: Apache-2.0
"""Decode data directories: text and, with an SE model, enhanced speech, in one pass.

Give a joint model (--model, or --enh_asr_*), or an ASR model with or without an SE model.
"""

import argparse
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from espnet_cbpc.inference.inference_options import (
    MODEL_FILES,
    add_inference_options,
    inference_options,
)
from espnet_cbpc.utils.cli import UserError, run


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--data_dirs",
        nargs="+",
        required=True,
        help="formatted data directories, named after their sets",
    )
    parser.add_argument(
        "--enhanced",
        metavar="DIR",
        help="speech that another tool enhanced, in the place of an SE model: DIR/<set>/<utterance>"
        ".wav, or DIR/<set>/spk1.scp; or the results of another system",
    )
    parser.add_argument(
        "--output_dir", required=True, help="results go to OUTPUT_DIR/<set>/{text,enhanced}"
    )
    parser.add_argument("--nj", type=int, default=1, help="processes, each with its own models")
    parser.add_argument(
        "--batch_size", type=int, default=16, help="largest number of utterances in a batch"
    )
    parser.add_argument(
        "--max_padding",
        type=float,
        default=0.0,
        help="share of padding allowed in a batch: more is faster on a GPU, but changes some texts",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="decode again from scratch, even if a set is complete or begun",
    )
    add_inference_options(parser)
    return parser


def _decoders(args: argparse.Namespace, options: dict) -> list:
    from espnet_cbpc.inference.decoding_record import file_hashes
    from espnet_cbpc.inference.set_decoder import SetDecoder

    models = {name: options[name] for name in MODEL_FILES if name in options}
    settings = {**options, **file_hashes(models)}
    decoders = [
        SetDecoder(
            data_dir,
            Path(args.output_dir, Path(data_dir).name),
            settings,
            options["fs"],
            args.batch_size,
            args.max_padding,
            args.enhanced and Path(args.enhanced, Path(data_dir).name),
        )
        for data_dir in args.data_dirs
    ]
    for decoder in decoders:
        if decoder.is_whole and not args.overwrite:
            logging.info("%s: already complete, skipped", decoder.output_dir)
    return [decoder for decoder in decoders if args.overwrite or not decoder.is_whole]


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    if args.batch_size < 1:
        raise UserError("--batch_size must be at least 1")
    if not 0 <= args.max_padding < 1:
        raise UserError("--max_padding must be at least 0 and less than 1")
    twice = [n for n, count in Counter(Path(d).name for d in args.data_dirs).items() if count > 1]
    if twice:
        raise UserError(f"--data_dirs: several sets are named {', '.join(twice)}: rename them")
    options = inference_options(args)
    if args.enhanced and {"enh_asr_train_config", "enh_train_config"} & options.keys():
        raise UserError("--enhanced replaces the SE model: give an ASR model alone")
    decoders = _decoders(args, options)
    if not decoders:
        return
    # Imported here, before the processes part, once for all; nothing is computed before they do.
    import espnet_cbpc.inference.enh_speech2text  # noqa: F401
    from espnet_cbpc.inference.decode import Worker, decode_sets

    for name in ("espnet", "espnet2"):  # several lines an utterance otherwise
        logging.getLogger(name).setLevel(logging.WARNING)
    worker = Worker(tuple(options.items()), args.ngpu, args.num_threads)
    speed = decode_sets(decoders, worker, args.nj, args.overwrite)
    logging.info("all sets: %s", speed)


if __name__ == "__main__":
    run(main)
