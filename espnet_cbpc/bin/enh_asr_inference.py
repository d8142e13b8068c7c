"""Decode data directories: text and, where there is an SE model, enhanced speech, in one pass.

Give a joint model (--enh_asr_*), or an ASR model (--asr_*) with or without an SE model (--enh_*).
"""

import argparse
import logging
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Dict, Optional, Sequence

from espnet_cbpc.data.audio import sampling_rate
from espnet_cbpc.utils.cli import UserError, run

MODEL_FILES = {
    "enh_asr_train_config": "configuration of a joint model",
    "enh_asr_model_file": "parameters of the joint model",
    "asr_train_config": "configuration of an ASR model",
    "asr_model_file": "parameters of the ASR model",
    "enh_train_config": "configuration of an SE model in front of the ASR model",
    "enh_model_file": "parameters of the SE model",
    "lm_train_config": "configuration of a language model",
    "lm_file": "parameters of the language model",
}


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--config", help="YAML file of decoding options, as conf/decode.yaml")
    for name, meaning in MODEL_FILES.items():
        parser.add_argument(f"--{name}", help=meaning)
    parser.add_argument(
        "--data_dirs", nargs="+", required=True, help="formatted directories; names are set names"
    )
    parser.add_argument(
        "--output_dir", required=True, help="results go to OUTPUT_DIR/<set>/{text,enhanced}"
    )
    parser.add_argument(
        "--fs", type=sampling_rate, default="16k", help="rate of the models, as 8000 or 8k"
    )
    parser.add_argument("--batch_size", type=int, default=16, help="most utterances of a batch")
    parser.add_argument(
        "--max_padding",
        type=float,
        default=0.0,
        help="share of padding allowed in a batch: more is faster on a GPU, but alters some texts",
    )
    parser.add_argument("--ngpu", type=int, default=0, choices=(0, 1), help="GPUs to use")
    parser.add_argument("--num_threads", type=int, default=1, help="CPU threads to use")
    parser.add_argument(
        "--overwrite", action="store_true", help="decode sets anew that are whole or begun"
    )
    return parser


def _decoders(args: argparse.Namespace, models: Dict[str, str], options: Dict) -> list:
    from espnet_cbpc.enh_asr.decode import SetDecoder
    from espnet_cbpc.enh_asr.decoding_record import file_hashes

    missing = [path for path in models.values() if path is not None and not Path(path).is_file()]
    if missing:
        raise UserError(f"{', '.join(missing)}: no such file")
    settings = {**options, **file_hashes(models)}
    twice = [n for n, count in Counter(Path(d).name for d in args.data_dirs).items() if count > 1]
    if twice:
        raise UserError(f"--data_dirs: several sets are named {', '.join(twice)}: rename them")
    decoders = [
        SetDecoder(
            data_dir,
            Path(args.output_dir, Path(data_dir).name),
            settings,
            args.fs,
            args.batch_size,
            args.max_padding,
        )
        for data_dir in args.data_dirs
    ]
    for decoder in decoders:
        if decoder.is_whole and not args.overwrite:
            logging.info("%s: whole already, skipped", decoder.output_dir)
    return [decoder for decoder in decoders if args.overwrite or not decoder.is_whole]


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    if args.batch_size < 1 or args.num_threads < 1:
        raise UserError("--batch_size and --num_threads must be at least 1")
    if not 0 <= args.max_padding < 1:
        raise UserError("--max_padding must be at least 0 and less than 1")
    import torch  # slow to import, as are the models: not for --help

    from espnet_cbpc.enh_asr.decode import Speed
    from espnet_cbpc.enh_asr.decoding_config import DecodingConfig
    from espnet_cbpc.enh_asr.inference import EnhSpeech2Text

    options = asdict(DecodingConfig.read(args.config) if args.config else DecodingConfig())
    models = {name: getattr(args, name) for name in MODEL_FILES}
    decoders = _decoders(args, models, options)
    if not decoders:
        return
    if args.ngpu and not torch.cuda.is_available():
        raise UserError("--ngpu 1: no GPU is usable here: use --ngpu 0")
    torch.set_num_threads(args.num_threads)
    for name in ("espnet", "espnet2"):  # several lines an utterance otherwise
        logging.getLogger(name).setLevel(logging.WARNING)
    speech2text = EnhSpeech2Text(**models, device="cuda" if args.ngpu else "cpu", **options)
    total = Speed()
    for decoder in decoders:
        speed = decoder.run(speech2text, args.overwrite)
        logging.info("%s: %s", decoder.output_dir, speed)
        total += speed
    logging.info("all sets: %s", total)


if __name__ == "__main__":
    run(main)
