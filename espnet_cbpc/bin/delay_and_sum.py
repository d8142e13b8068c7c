# SPDX-License-Identifier: Apache-2.0
"""Beamform the recordings of data directories by delay and sum, like BeamformIt.

The array geometry need not be known. A recipe can decode and score the result as a further system:
run.sh --enhanced delay_and_sum=OUTPUT_DIR. Each set also has a wav.scp.
"""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Optional

from espnet_cbpc.data.array.delay_and_sum import DelayAndSum
from espnet_cbpc.data.audio.audio_file import write_audio
from espnet_cbpc.data.audio.audio_source import AudioError
from espnet_cbpc.data.audio.map_audio import map_audio
from espnet_cbpc.data.audio.recording import read_recording
from espnet_cbpc.data.kaldi.atomic_dir import whole_directory
from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, write_table
from espnet_cbpc.utils.cli import check_at_least, run


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--data_dirs", nargs="+", required=True, help="with multichannel recordings"
    )
    parser.add_argument(
        "--output_dir", required=True, help="for OUTPUT_DIR/<set>/<utterance>.wav, 32-bit float"
    )
    parser.add_argument(
        "--ref_channel",
        type=int,
        help="channel, from 0, that the output is aligned with (default: of each recording the one "
        "that has most in common with the others)",
    )
    parser.add_argument(
        "--max_delay",
        type=float,
        default=0.005,
        help="largest delay between two microphones in seconds",
    )
    parser.add_argument("--nj", type=int, default=2, help="number of processes")
    return parser


def _beamform(item: tuple[str, Path], max_delay: float, reference: Optional[int]) -> None:
    entry, path = item
    samples, fs = read_recording(entry)
    if samples.ndim == 1:
        raise AudioError("recording has one channel: beamforming needs several", entry)
    beamformed = DelayAndSum(fs, max_delay=max_delay)(samples, reference)
    write_audio(path, beamformed, fs, subtype="FLOAT")


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    check_at_least(args, nj=1)
    work = partial(_beamform, max_delay=args.max_delay, reference=args.ref_channel)
    for directory in map(Path, args.data_dirs):
        data = DataDir.read(directory, require_text=False)
        out = Path(args.output_dir, directory.name)
        entries = data.tables["wav.scp"]
        with whole_directory(out) as temporary:
            items = [(u, (entries[u], temporary / f"{u}.wav")) for u in data.ids]
            map_audio(work, items, len(items), args.nj, f"beamform {out.name}", directory)
            write_table(temporary / "wav.scp", {u: str(out / f"{u}.wav") for u in data.ids})


if __name__ == "__main__":
    run(main)
