# SPDX-License-Identifier: Apache-2.0
"""Transcribe audio files: any format of libsndfile, any sampling rate, any length.

Prints a line "file <tab> text" for each file. Long recordings are cut where they are quiet.
"""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Optional

from espnet_cbpc.inference.inference_options import (
    add_channel_options,
    add_inference_options,
    add_window_options,
    chosen_channels,
    inference_options,
)
from espnet_cbpc.utils.cli import UserError, listed, run, shown


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="audio files")
    parser.add_argument(
        "--output_dir", help="for text, JSON with n-best lists and token times, enhanced speech"
    )
    add_channel_options(parser)
    add_window_options(parser)
    add_inference_options(parser)
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    channels = chosen_channels(args)
    with redirect_stdout(sys.stderr):  # ESPnet prints while it is imported; ours is for the texts
        options = inference_options(args)
        from espnet_cbpc.inference.decode import Speed, device  # slow to import, as are the models
        from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text
        from espnet_cbpc.inference.long_form import Cutter
        from espnet_cbpc.inference.transcriber import Transcriber, Transcripts, text_of

        cutter = Cutter(options["fs"], args.window, args.overlap)
        transcripts = Transcripts(args.output_dir and Path(args.output_dir), args.files)
        for name in ("espnet", "espnet2"):  # several lines an utterance otherwise
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.disable(logging.INFO)  # of the root logger, to which ESPnet tells its configuration
        models = EnhSpeech2Text(device=device(args.ngpu, args.num_threads), **options)
        logging.disable(logging.NOTSET)
    transcriber = Transcriber(models, cutter, channels)
    start, seconds, faults = time.monotonic(), 0.0, []
    for path in args.files:
        try:
            segments = transcripts.add(path, transcriber)
        except (UserError, OSError) as e:  # the latter of a name that is too long, or a full disk
            print(f"error: {e}", file=sys.stderr)
            faults.append(path)
        else:
            print(f"{shown(path)}\t{text_of(segments)}", flush=True)
            seconds += segments[-1].end
    transcripts.finish()
    logging.info("%s", Speed(seconds, time.monotonic() - start))
    if faults:
        raise UserError(
            f"{len(faults)} of {len(args.files)} file(s) not transcribed ({listed(faults)}): "
            "see above"
        )


if __name__ == "__main__":
    run(main)
