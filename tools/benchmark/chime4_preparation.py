#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Time and memory that egs2/chime4 takes to prepare a tree of CHiME-4's full size, for each track.

The tree is that of the tests: the organisers' counts and names, one recording behind them all. It
lies in a temporary folder and is removed. Stage 1 makes the data directories and references; stage
3 reads all audio of the training set and looks for channels that fail. With --seconds 7, the mean
length of CHiME-4's utterances, 1ch takes 8 GB of disk for its references, the others 1.6 GB.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from common import machine, table

ROOT = Path(__file__).resolve().parents[2]
EGS2 = ROOT / "egs2"
LOCAL = EGS2 / "chime4" / "enh_asr_cbpc1" / "local"
sys.path[:0] = [str(ROOT / "test" / "egs2"), str(EGS2 / "mini_synth" / "enh_asr_cbpc1" / "local")]

from chime4_tree import full_tree


class Cost(NamedTuple):
    """What a command took: seconds, of the clock and of all processors, and the largest process."""

    seconds: float
    processor: float
    mebibytes: float


def cost(command: list[str]) -> Cost:
    """Run a command."""
    begin = time.monotonic()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(said.decode(errors="replace")[-3000:])
    seconds = time.monotonic() - begin
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measure(root: Path, args: argparse.Namespace) -> list[list[str]]:
    """Prepare each track; return the rows of the table."""
    tree, rows = full_tree(root / "tree", channels=range(1, 7), seconds=args.seconds), []
    for track in args.tracks:
        data, nj = root / f"data_{track}", ["--nj", str(args.nj)]
        prepare = [sys.executable, str(LOCAL / "prepare_chime4.py"), *tree.options, *nj]
        format_ = [sys.executable, "-m", "espnet_cbpc.bin.format_data_dir", *nj]
        costs = {
            "1": cost([*prepare, "--track", track, "--data", str(data)]),
            "3, training set": cost([*format_, str(data / "tr05_multi"), str(root / "dump")]),
        }
        for stage, (seconds, processor, mebibytes) in costs.items():
            rows.append([track, stage, f"{seconds:.0f}", f"{processor:.0f}", f"{mebibytes:.0f}"])
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=0.064, help="length of the recordings")
    parser.add_argument("--tracks", nargs="+", default=["1ch", "2ch", "6ch"], help="which ones")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    parser.add_argument("--folder", help="where to work; default: the system's temporary folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        rows = measure(Path(folder), args)
    print(f"{machine('cpu')}; {args.nj} processes; recordings of {args.seconds:g} s")
    print(table(["track", "stage", "seconds", "processor seconds", "largest process, MiB"], rows))


if __name__ == "__main__":
    main()
