"""Write the configurations of a comparison's systems, for compare.sh.

Prints a line for each tokenizer: its configuration, and those of the systems that have it.
"""

import argparse
from pathlib import Path
from typing import Dict, List

import yaml

from espnet_cbpc.recipe.comparison import read_comparison, read_multicondition_asr
from espnet_cbpc.utils.cli import run
from espnet_cbpc.utils.files import atomic_write


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--comparison", required=True, help="yaml of the systems")
    parser.add_argument("--tokenizer_conf", required=True, help="yaml of the tokenizer's fit")
    parser.add_argument("--systems", nargs="*", help="which of them, by name; all if none is named")
    parser.add_argument(
        "--multicondition_asr_config",
        help="yaml of a training of the ASR model without SE, which the common changes are for too",
    )
    parser.add_argument("--outdir", required=True, help="folder to write to")
    return parser


def main(cmd=None) -> None:
    """Write the configurations."""
    args = get_parser().parse_args(cmd)
    outdir = Path(args.outdir)
    base = Path(args.tokenizer_conf)
    groups: Dict[str, List[str]] = {}
    for system in read_comparison(args.comparison, base, args.systems):
        path = outdir / f"{system.name}.yaml"
        with atomic_write(path) as f:
            f.write(f"# {system.title}\n")
            yaml.safe_dump(system.config, f, sort_keys=False)
        groups.setdefault(yaml.safe_dump(system.tokenizer), []).append(str(path))
    if args.multicondition_asr_config is not None:
        config = read_multicondition_asr(args.comparison, args.multicondition_asr_config)
        with atomic_write(outdir / Path(args.multicondition_asr_config).name) as f:
            yaml.safe_dump(config, f, sort_keys=False)
    for content, paths in groups.items():
        # what the tokenizer is tells its name, so that another comparison finds it again
        words = [f"{key}{value}" for key, value in yaml.safe_load(content).items() if key != "seed"]
        path = outdir / f"{base.stem}_{'_'.join(words)}.yaml"
        with atomic_write(path) as f:
            f.write(content)
        print(path, *paths)


if __name__ == "__main__":
    run(main)
