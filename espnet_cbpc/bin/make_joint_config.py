# SPDX-License-Identifier: Apache-2.0
"""Write a joint training configuration from those of an ASR model, an SE model and the user.

The models keep the architecture they were trained with; the user's training configuration
overrides both.
"""

import argparse

from espnet_cbpc.model.joint_config import joint_config
from espnet_cbpc.tokenizer.tokenizer_config import read_tokenizer_config
from espnet_cbpc.utils.cli import run
from espnet_cbpc.utils.files import read_yaml, write_yaml


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--config", required=True, help="YAML training configuration")
    parser.add_argument("--asr_train_config", required=True, help="config.yaml of the ASR model")
    parser.add_argument("--enh_train_config", required=True, help="config.yaml of the SE model")
    parser.add_argument("--tokenizer_config", help="YAML file that the tokenizer was fitted with")
    parser.add_argument("--tokenizer_init", help="file of the fitted tokenizer")
    parser.add_argument("--fs", type=int, help="sampling rate of the data and the SE model, in Hz")
    parser.add_argument(
        "--asr_update",
        choices=("true", "false"),
        default="true",
        help="false: freeze the ASR model, whatever the training configuration says",
    )
    parser.add_argument(
        "--use_transcripts",
        choices=("true", "false"),
        default="true",
        help="false: no ASR loss, whatever the training configuration says",
    )
    parser.add_argument("--output", required=True, help="YAML file to write")
    return parser


def main(cmd=None) -> None:
    """Write the configuration."""
    args = get_parser().parse_args(cmd)
    config = joint_config(
        read_yaml(args.config),
        read_yaml(args.asr_train_config),
        read_yaml(args.enh_train_config),
        read_tokenizer_config(args.tokenizer_config)[0],
        args.fs,
        args.asr_update == "true",
        args.use_transcripts == "true",
    )
    if args.tokenizer_init is not None:
        config["tokenizer_init"] = args.tokenizer_init
    write_yaml(args.output, config)


if __name__ == "__main__":
    run(main)
