"""Write the configuration of a further training of an ASR model, which keeps its architecture."""

import argparse

import yaml

from espnet_cbpc.model.joint_config import asr_config
from espnet_cbpc.utils.cli import run
from espnet_cbpc.utils.files import atomic_write, read_yaml


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--config", required=True, help="training configuration, yaml")
    parser.add_argument("--asr_train_config", required=True, help="config.yaml of the ASR model")
    parser.add_argument("--output", required=True, help="yaml to write")
    return parser


def main(cmd=None) -> None:
    """Write the configuration."""
    args = get_parser().parse_args(cmd)
    config = asr_config(read_yaml(args.config), read_yaml(args.asr_train_config))
    with atomic_write(args.output) as f:
        yaml.safe_dump(config, f, sort_keys=False)


if __name__ == "__main__":
    run(main)
