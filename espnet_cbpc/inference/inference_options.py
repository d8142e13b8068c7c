# SPDX-License-Identifier: Apache-2.0
"""The command-line options of inference: models, search, and channels."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any, Optional, Union

from espnet_cbpc.data.audio.audio_file import sampling_rate
from espnet_cbpc.model.joint_config import asr_sampling_rate
from espnet_cbpc.model_zoo.decoding_config import DecodingConfig
from espnet_cbpc.model_zoo.locate import inference_files
from espnet_cbpc.utils.cli import UserError, check_at_least
from espnet_cbpc.utils.files import PathLike, read_yaml

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
ANYWHERE = "zoo tag, Hugging Face id, URL, archive or folder"


def add_inference_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that :func:`inference_options` reads."""
    models = parser.add_argument_group(
        "models", "a joint one, or an ASR model with or without an SE model"
    )
    models.add_argument("--model", help=f"joint model: {ANYWHERE}")
    models.add_argument("--asr_model", help="ASR model, in the same forms")
    models.add_argument("--enh_model", help="SE model, in the same forms")
    models.add_argument("--cachedir", help="folder for downloaded and unpacked files")
    for name, meaning in MODEL_FILES.items():
        models.add_argument(f"--{name}", help=meaning)
    models.add_argument(
        "--fs",
        type=sampling_rate,
        help="sampling rate of the speech, such as 8000 or 8k (default: the models')",
    )
    models.add_argument(
        "--asr_fs",
        type=sampling_rate,
        help="sampling rate of the ASR model (default: the one in its configuration)",
    )
    search = parser.add_argument_group("decoding")
    search.add_argument(
        "--config",
        help="YAML file of decoding options, such as conf/decode.yaml (default: the model's)",
    )
    search.add_argument("--nbest", type=int, help="hypotheses to write (default: as in --config)")
    search.add_argument(
        "--batched_search",
        choices=("auto", "true", "false"),
        default="auto",
        help="search for the utterances of a batch at once (ESPnet 202611); auto: on a GPU",
    )
    search.add_argument("--token_times", action="store_true", help="output the time of each token")
    search.add_argument("--no_enhance", action="store_true", help="leave the SE model out")
    search.add_argument(
        "--observation_adding",
        type=_share,
        metavar="W",
        help="ASR input: (1 - W) enhanced + W noisy speech; auto: the ASR model tries several "
        "shares and keeps its most confident result (default: as in joint training, else 0)",
    )
    search.add_argument("--ngpu", type=int, default=0, choices=(0, 1), help="GPUs to use")
    search.add_argument("--num_threads", type=int, default=1, help="CPU threads of each process")


def add_channel_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that :func:`chosen_channels` reads."""
    parser.add_argument(
        "--channels",
        type=_channels,
        metavar="N[,N...]",
        help="channels of multichannel files to use, from 0: a multichannel SE model gets "
        "all of them in this order, any other model their mean (default: all)",
    )
    parser.add_argument("--channel", type=int, help="use this channel alone")


def add_window_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of :class:`.long_form.Cutter`."""
    parser.add_argument("--window", type=float, default=30.0, help="window length in seconds")
    parser.add_argument(
        "--overlap",
        type=float,
        default=4.0,
        help="seconds at the end of a window within which it may be cut",
    )


def chosen_channels(args: argparse.Namespace) -> Optional[list[int]]:
    """Return the channels to use, None for all.

    Raises:
        UserError: both options are given.
    """
    if args.channel is not None and args.channels is not None:
        raise UserError("give either --channel or --channels")
    return args.channels if args.channel is None else [args.channel]


def _channels(words: str) -> list[int]:
    return [int(word) for word in words.split(",")]


def _share(word: str) -> Union[float, str]:
    return word if word == "auto" else float(word)


def inference_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of ``EnhSpeech2Text``; models are fetched if needed.

    Raises:
        UserError: a model twice or nowhere, a file that is missing, or an option out of its range.
    """
    options: dict[str, Any] = {n: getattr(args, n) for n in MODEL_FILES if getattr(args, n)}
    if args.model or args.asr_model or args.enh_model:
        found = inference_files(args.model, args.asr_model, args.enh_model, args.cachedir)
        twice = sorted(found.keys() & options.keys())
        if twice:
            raise UserError(f"--{', --'.join(twice)}: the model is already named by another option")
        options.update({name: str(path) for name, path in found.items()})
    missing = [options[name] for name in options if not Path(options[name]).is_file()]
    if missing:
        raise UserError(f"{', '.join(missing)}: no such file")
    config = options.get("enh_asr_train_config") or options.get("asr_train_config")
    if config is None:
        raise UserError("no model given: use --model, --asr_model or their *_train_config")
    model_file = options.get("enh_asr_model_file") or options.get("asr_model_file") or config
    search = asdict(
        DecodingConfig.read(args.config) if args.config else DecodingConfig.of_model(model_file)
    )
    if args.nbest is not None:
        search["nbest"] = args.nbest
    DecodingConfig.check(search, "--nbest")
    check_at_least(args, num_threads=1)
    if args.observation_adding not in (None, "auto") and not 0 <= args.observation_adding <= 1:
        raise UserError(
            f"--observation_adding {args.observation_adding}: must be from 0 to 1, or auto"
        )
    fs, asr_fs = sampling_rates(config, args.fs, args.asr_fs)
    return {
        **options,
        **search,
        "fs": fs,
        "asr_fs": asr_fs,
        "enhance": not args.no_enhance,
        "observation_adding": args.observation_adding,
        "batched_search": {"auto": args.ngpu > 0, "true": True, "false": False}[
            args.batched_search
        ],
        "token_times": args.token_times,
    }


def sampling_rates(
    config: PathLike, fs: Optional[int] = None, asr_fs: Optional[int] = None
) -> tuple[int, int]:
    """Return the sampling rates in Hz of the speech (and the SE model), and of the ASR model.

    Args:
        config: training configuration of a joint or an ASR model.
        fs: rate of the speech; None takes what the configuration says, or ESPnet's 16 kHz.
        asr_fs: rate of the ASR model; None takes what the configuration says, or ``fs``.

    Raises:
        UserError: a configuration that cannot be read, or a rate that is none.
    """
    options = read_yaml(config)
    joint = options.get("joint_conf") or {}
    try:
        stated = joint.get("asr_fs") or asr_sampling_rate(options)
    except ValueError as e:
        raise UserError(f"{config}: frontend_conf: fs is not a sampling rate: {e}") from e
    fs = fs or joint.get("enh_fs") or stated or 16000
    return fs, asr_fs or stated or fs
