#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Speed of dynamic mixing in times real time per core, against lhotse's (pip install lhotse).

Both read clean speech and a random part of a noise from files, and mix them at a random SNR; "with
RIR", speech is convolved with a room impulse response first. Ours measures the SNR where there is
speech and makes the reference (with early reflections) too, lhotse the noisy speech alone. One
process, one thread; time is that of the processor.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Callable

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from common import machine, table

from espnet_cbpc.data.audio.audio_file import read_audio, write_audio
from espnet_cbpc.data.kaldi.kaldi_dir import write_table
from espnet_cbpc.data.mixing.dynamic_mixer import DynamicMixer
from espnet_cbpc.data.mixing.dynamic_mixing_config import DynamicMixingConfig

SNR_DB = (-5.0, 20.0)
RIR_SECONDS = 0.8
DECAY_SECONDS = 0.5 / 6.9  # of the amplitude, for a reverberation time of 0.5 s


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--fs", type=int, default=16000, help="of all recordings")
    parser.add_argument("--seconds", type=float, default=12.0, help="of each utterance")
    parser.add_argument("--noise_seconds", type=float, default=180.0, help="of each noise")
    parser.add_argument("--files", type=int, default=10, help="of each kind")
    parser.add_argument("--utterances", type=int, default=100, help="mixed for each time taken")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--audio_format", choices=("wav", "flac"), default="wav")
    return parser


def write_recordings(folder: Path, args: argparse.Namespace) -> dict[str, list[str]]:
    """Write random speech, noise and room impulse responses; return their files by kind."""
    rng = np.random.default_rng(0)
    decay = np.exp(-np.arange(round(RIR_SECONDS * args.fs)) / (DECAY_SECONDS * args.fs))
    files: dict[str, list[str]] = {"speech": [], "noise": [], "rir": []}
    for i in range(args.files):
        signals = {
            "speech": rng.standard_normal(round(args.seconds * args.fs)),
            "noise": rng.standard_normal(round(args.noise_seconds * args.fs)),
            "rir": np.r_[np.zeros(80), 8.0, rng.standard_normal(len(decay)) * decay],
        }
        for kind, signal in signals.items():
            path = folder / f"{kind}{i:02d}.{args.audio_format}"
            write_audio(path, 0.1 * signal.clip(-9, 9), args.fs)
            files[kind].append(str(path))
    return files


def ours(files: dict[str, list[str]], folder: Path, fs: int, with_rir: bool) -> Callable:
    """Return a function that reads and mixes the i-th utterance."""
    options = {"fs": fs, "snr_db": SNR_DB, "rir_prob": 1.0}
    for kind in ("noise", "rir") if with_rir else ("noise",):
        options[f"{kind}_scp"] = str(folder / f"{kind}.scp")
        write_table(folder / f"{kind}.scp", {Path(f).stem: f for f in files[kind]})
    mixer = DynamicMixer(DynamicMixingConfig.parse(options))

    def mix(i: int) -> np.ndarray:
        clean, _ = read_audio(files["speech"][i % len(files["speech"])])
        return mixer(clean, np.random.default_rng(i)).noisy

    return mix


def lhotse(files: dict[str, list[str]], folder: Path, fs: int, with_rir: bool) -> Callable:
    """Return the same, done by lhotse's cuts."""
    from lhotse import MonoCut, Recording

    recordings = {kind: [Recording.from_file(f) for f in names] for kind, names in files.items()}
    cuts = {
        kind: [MonoCut(r.id, 0.0, r.duration, 0, recording=r) for r in recordings[kind]]
        for kind in ("speech", "noise")
    }
    rng = random.Random(0)

    def mix(i: int) -> np.ndarray:
        speech, noise = cuts["speech"][i % len(cuts["speech"])], rng.choice(cuts["noise"])
        offset = rng.uniform(0.0, noise.duration - speech.duration)
        if with_rir:
            speech = speech.reverb_rir(rng.choice(recordings["rir"]))
        part = noise.truncate(offset=offset, duration=speech.duration)
        return speech.mix(part, snr=rng.uniform(*SNR_DB)).load_audio()[0]

    return mix


def times_real_time(mix: Callable, args: argparse.Namespace) -> str:
    """Return the median over repeats, and the range."""
    speeds = []
    for _ in range(args.repeats + 1):
        start = time.process_time()
        samples = sum(len(mix(i)) for i in range(args.utterances))
        speeds.append(samples / args.fs / (time.process_time() - start))
    speeds = sorted(speeds[1:])  # the first does not count
    return f"{statistics.median(speeds):,.0f} ({speeds[0]:,.0f}-{speeds[-1]:,.0f})"


def main(cmd=None) -> None:
    """Print the table."""
    args = get_parser().parse_args(cmd)
    torch.set_num_threads(1)
    print(
        f"{machine('cpu')}; utterances of {args.seconds:g} s, {args.audio_format}, {args.fs} Hz. "
        "Times real time per core:\n"
    )
    rows = []
    with tempfile.TemporaryDirectory() as name:
        files = write_recordings(Path(name), args)
        for way in (ours, lhotse):
            try:
                mixers = [way(files, Path(name), args.fs, with_rir) for with_rir in (False, True)]
            except ImportError:
                rows.append([f"{way.__name__} (not installed)", "", ""])
                continue
            rows.append([way.__name__, *(times_real_time(mix, args) for mix in mixers)])
    print(table(("", "without RIR", "with RIR"), rows))


if __name__ == "__main__":
    main()
