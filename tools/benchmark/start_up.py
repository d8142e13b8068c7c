#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Time in which a command has loaded ESPnet and can begin, against stock ESPnet's command.

Both print their help, for which they import all that they need. Prints a Markdown table: median seconds
of processors (which another load on the machine changes less than those of the clock), and the ratio.
"""

import argparse
import statistics
import subprocess
import sys

from common import machine, processor_seconds, table

PAIRS = {
    "joint training": ("espnet2.bin.enh_s2t_train", "espnet_cbpc.bin.enh_asr_cbpc_train"),
    "ASR training": ("espnet2.bin.asr_train", "espnet_cbpc.bin.asr_train"),
    "SE training": ("espnet2.bin.enh_train", "espnet_cbpc.bin.enh_train"),
}


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5, help="processes, of which the median")
    return parser


def start(module: str) -> float:
    """Run a command for its help; return the seconds of processors that it took."""
    before = processor_seconds()
    subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, check=True)
    return processor_seconds() - before


def main(cmd=None) -> None:
    """Run all commands in turn and print the table."""
    args = get_parser().parse_args(cmd)
    rows = []
    for name, modules in PAIRS.items():
        turns = [[start(m) for m in modules] for _ in range(args.repeats)]
        stock, ours = (statistics.median(times) for times in zip(*turns))
        rows.append([name, f"{stock:.1f}", f"{ours:.1f}", f"{ours / stock:.2f}"])
    print(f"{machine('cpu')}; median of {args.repeats}\n")
    print(table(("command", "stock", "ours", "ratio"), rows))


if __name__ == "__main__":
    main()
