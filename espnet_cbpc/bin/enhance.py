# SPDX-License-Identifier: Apache-2.0
"""Enhance audio files: any format of libsndfile, any sampling rate, any length.

Writes OUTPUT_DIR/<name>.wav for each, at the sampling rate of the model, without transcribing it.
"""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Optional

from espnet_cbpc.data.audio.audio_file import sampling_rate
from espnet_cbpc.data.kaldi.text_rules import as_id, names_a_file
from espnet_cbpc.inference.inference_options import (
    ANYWHERE,
    add_channel_options,
    add_window_options,
    chosen_channels,
)
from espnet_cbpc.model_zoo.locate import inference_files
from espnet_cbpc.utils.cli import UserError, check_at_least, listed, run, shown


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="audio files")
    parser.add_argument("--output_dir", required=True, help="folder to write to")
    parser.add_argument("--model", help=f"joint model: {ANYWHERE}")
    parser.add_argument("--enh_model", help="SE model instead, in the same forms")
    parser.add_argument("--cachedir", help="folder for downloaded and unpacked files")
    parser.add_argument(
        "--fs",
        type=sampling_rate,
        help="sampling rate of the model, such as 8000 or 8k (default: the one it states)",
    )
    add_channel_options(parser)
    add_window_options(parser)
    parser.add_argument("--ngpu", type=int, default=0, choices=(0, 1), help="GPUs to use")
    parser.add_argument("--num_threads", type=int, default=1, help="CPU threads")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command.

    Raises:
        UserError: both models or none, no such model, or files that cannot be enhanced, once all
            others are.
    """
    args = get_parser().parse_args(cmd)
    check_at_least(args, num_threads=1)
    channels = chosen_channels(args)
    if (args.model is None) == (args.enh_model is None):
        raise UserError("give either a joint model (--model) or an SE model (--enh_model)")
    outputs = output_files(args.files, Path(args.output_dir))
    model = inference_files(args.model, None, args.enh_model, args.cachedir)
    with redirect_stdout(sys.stderr):  # ESPnet prints while it is imported
        from espnet_cbpc.inference.decode import Speed, device  # slow to import
        from espnet_cbpc.inference.file_enhancer import FileEnhancer, load_enhancer
        from espnet_cbpc.inference.long_form import Cutter

        logging.disable(logging.INFO)  # of the root logger, to which ESPnet tells its configuration
        enhancer, fs = load_enhancer(model, device(args.ngpu, args.num_threads), args.fs)
        logging.disable(logging.NOTSET)
    enhance = FileEnhancer(enhancer, Cutter(fs, args.window, args.overlap), channels)
    start, seconds, faults = time.monotonic(), 0.0, []
    for path, output in outputs.items():
        try:
            seconds += enhance(path, output)
        except (UserError, OSError) as e:  # the latter of a full disk
            print(f"error: {e}", file=sys.stderr)
            faults.append(path)
        else:
            print(f"{shown(path)}\t{shown(output)}", flush=True)
    logging.info("%s", Speed(seconds, time.monotonic() - start))
    if faults:
        raise UserError(
            f"{len(faults)} of {len(args.files)} file(s) not enhanced ({listed(faults)}): see above"
        )


def output_files(paths: Sequence[str], folder: Path) -> dict[str, Path]:
    """Return where the enhanced speech of each file goes.

    Raises:
        UserError: files that would share one, a name that cannot be one, or the folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file: give another --output_dir")
    names = {path: as_id(Path(path).stem) for path in paths}
    given = list(names.values())
    twice = sorted({name for name in given if given.count(name) > 1})
    if twice:
        raise UserError(
            f"{len(twice)} output name(s) shared by several files ({listed(twice)}): rename them, or "
            "enhance them to different folders"
        )
    wrong = [path for path, name in names.items() if not names_a_file(name)]
    if wrong:
        raise UserError(
            f"{listed(map(shown, wrong))}: the name is too long or not UTF-8: rename it"
        )
    outputs = {path: folder / f"{name}.wav" for path, name in names.items()}
    itself = [path for path, output in outputs.items() if output.resolve() == Path(path).resolve()]
    if itself:
        raise UserError(f"{listed(itself)} would be replaced: give another --output_dir")
    return outputs


if __name__ == "__main__":
    run(main)
