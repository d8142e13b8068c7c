# SPDX-License-Identifier: Apache-2.0
"""Try a model on a local web page: hear, see and read what speech enhancement does.

The page takes a file or the microphone, and shows noisy and enhanced speech side by side, with the
transcript of each. Only this machine can reach it
unless --host says otherwise; nothing is kept.
"""

import argparse
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from espnet_cbpc.inference.inference_options import ANYWHERE
from espnet_cbpc.model_zoo.decoding_config import PACKED, DecodingConfig
from espnet_cbpc.model_zoo.locate import inference_files
from espnet_cbpc.utils.cli import UserError, check_at_least

if TYPE_CHECKING:
    from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text

QUICK = DecodingConfig(beam_size=1)


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    models = parser.add_argument_group("models", "a joint one, or an ASR model and an SE model")
    models.add_argument("--model", help=f"joint model: {ANYWHERE}")
    models.add_argument("--asr_model", help="ASR model, in the same forms")
    models.add_argument("--enh_model", help="SE model, in the same forms")
    models.add_argument("--cachedir", help="folder for downloaded and unpacked files")
    models.add_argument(
        "--config",
        help="YAML file of decoding options (default: as packed with the model, else a beam of "
        f"{QUICK.beam_size}, which is quick)",
    )
    models.add_argument("--ngpu", type=int, default=0, choices=(0, 1), help="GPUs to use")
    models.add_argument("--num_threads", type=int, default=os.cpu_count(), help="CPU threads")
    page = parser.add_argument_group("page")
    page.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; 0.0.0.0: all of this machine's"
    )
    page.add_argument("--port", type=int, default=7860, help="port to listen on")
    page.add_argument("--max_megabytes", type=float, default=25.0, help="size limit of a file")
    page.add_argument("--max_seconds", type=float, default=120.0, help="length limit of the audio")
    page.add_argument(
        "--max_waiting",
        type=int,
        default=20,
        help="size of the request queue; one request runs at a time",
    )
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    check_at_least(args, num_threads=1, max_waiting=1)
    for name in ("max_megabytes", "max_seconds"):
        if not getattr(args, name) > 0:
            raise UserError(f"--{name} {getattr(args, name)}: must be more than 0")
    # slow to import, as are the models: what is wrong shows first
    from espnet_cbpc.demo.server import check_address, gradio_without_traces, serve

    logging.getLogger("httpx").setLevel(logging.WARNING)  # Gradio looks whether it is there
    check_address(args.host, args.port)
    with gradio_without_traces():
        from espnet_cbpc.demo.page import build
        from espnet_cbpc.demo.recording import Listener

        listener = Listener(_models(args), args.max_seconds)
        page = build(listener, args.max_megabytes)
        page.queue(max_size=args.max_waiting)
        serve(page, args.host, args.port, args.max_megabytes)


def _models(args: argparse.Namespace) -> "EnhSpeech2Text":
    from espnet_cbpc.inference.decode import device
    from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text

    if args.model is None and (args.asr_model is None or args.enh_model is None):
        raise UserError("no model given: use --model, or both --asr_model and --enh_model")
    logging.disable(logging.INFO)  # of the root logger, to which ESPnet tells its configuration
    files = inference_files(args.model, args.asr_model, args.enh_model, args.cachedir)
    search = _search(args.config, files.get("enh_asr_model_file") or files["asr_model_file"])
    models = EnhSpeech2Text(**files, **asdict(search), device=device(args.ngpu, args.num_threads))
    logging.disable(logging.NOTSET)
    return models


def _search(config: Optional[str], model_file: Path) -> DecodingConfig:
    if config is not None:
        return DecodingConfig.read(config)
    if model_file.with_name(PACKED).is_file():
        return DecodingConfig.of_model(model_file)
    return QUICK
