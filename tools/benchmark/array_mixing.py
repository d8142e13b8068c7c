#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Speed of dynamic mixing for an array in times real time per core, against lhotse's.

Both read clean speech of one channel and a random part of a noise of several from files, and mix
them at a random SNR; "with RIR", speech is convolved with the room impulse response to each
microphone first. Ours makes the reference (the direct path at the reference channel) too, lhotse
the noisy speech alone. "Noise in its place" is ours alone: the noise has one channel, too, and
comes from a place in the room. One process, one thread; time is that of the processor.
"""

import argparse
import random
import tempfile
from pathlib import Path
from typing import Callable

# The first sets the number of threads, before numpy is imported.
from dynamic_mixing import DECAY_SECONDS, RIR_SECONDS, SNR_DB, get_parser, times_real_time

import numpy as np  # isort: skip
import soundfile
import torch
from common import machine, table

from espnet_cbpc.data.audio.audio_file import read_audio
from espnet_cbpc.data.kaldi.kaldi_dir import write_table
from espnet_cbpc.data.mixing.array_mixer import ArrayMixer
from espnet_cbpc.data.mixing.array_mixing_config import parse_mixing_config

WAYS = ("without RIR", "with RIR", "with RIR, noise in its place")


def write_recordings(folder: Path, args: argparse.Namespace) -> dict[str, list[str]]:
    """Write random speech, noise and responses; return their files by kind."""
    rng = np.random.default_rng(0)
    samples = round(RIR_SECONDS * args.fs)
    decay = np.exp(-np.arange(samples) / (DECAY_SECONDS * args.fs))[:, None]
    files: dict[str, list[str]] = {"speech": [], "noise": [], "single": [], "rir": [], "place": []}
    for i in range(args.files):
        noise = rng.standard_normal((round(args.noise_seconds * args.fs), args.channels))
        signals = {
            "speech": rng.standard_normal(round(args.seconds * args.fs)),
            "noise": noise,
            "single": noise[:, 0],
            "rir": rng.standard_normal((samples, args.channels)) * decay,
            "place": rng.standard_normal((samples, args.channels)) * decay,
        }
        signals["rir"][80] = 8.0
        for kind, signal in signals.items():
            path = folder / f"{kind}{i:02d}.{args.audio_format}"
            soundfile.write(path, 0.1 * signal.clip(-9, 9), args.fs, subtype="PCM_16")
            files[kind].append(str(path))
    return files


def ours(files: dict[str, list[str]], folder: Path, args: argparse.Namespace, way: str) -> Callable:
    """Return a function that reads and mixes the i-th utterance."""
    kinds = {"noise_scp": "single" if "place" in way else "noise"}
    if way != WAYS[0]:
        kinds["rir_scp"] = "rir"
    if way == WAYS[2]:
        kinds["noise_rir_scp"] = "place"
    options = {"fs": args.fs, "snr_db": SNR_DB, "channels": list(range(args.channels))}
    for option, kind in kinds.items():
        options[option] = str(folder / f"{kind}.scp")
        named = {f"{i:02d}-{kind}": file for i, file in enumerate(files[kind])}  # <room>-<place>
        write_table(folder / f"{kind}.scp", named)
    mixer = ArrayMixer(parse_mixing_config(options))

    def mix(i: int) -> np.ndarray:
        clean, _ = read_audio(files["speech"][i % len(files["speech"])])
        return mixer(clean, np.random.default_rng(i)).noisy

    return mix


def lhotse(
    files: dict[str, list[str]], folder: Path, args: argparse.Namespace, way: str
) -> Callable:
    """Return the same, done by lhotse's cuts."""
    from lhotse import MonoCut, MultiCut, Recording

    recordings = {kind: [Recording.from_file(f) for f in names] for kind, names in files.items()}
    channels = list(range(args.channels))
    speeches = [MonoCut(r.id, 0.0, r.duration, 0, recording=r) for r in recordings["speech"]]
    noises = [MultiCut(r.id, 0.0, r.duration, channels, recording=r) for r in recordings["noise"]]
    rng = random.Random(0)

    def mix(i: int) -> np.ndarray:
        speech, noise = speeches[i % len(speeches)], rng.choice(noises)
        offset = rng.uniform(0.0, noise.duration - speech.duration)
        if way != WAYS[0]:
            speech = speech.reverb_rir(rng.choice(recordings["rir"]), rir_channels=channels)
        part = noise.truncate(offset=offset, duration=speech.duration)
        return speech.mix(part, snr=rng.uniform(*SNR_DB)).load_audio().T

    return mix


def main(cmd=None) -> None:
    """Print the table."""
    parser = get_parser()
    parser.description = __doc__
    parser.add_argument("--channels", type=int, default=6)
    args = parser.parse_args(cmd)
    torch.set_num_threads(1)
    print(
        f"{machine('cpu')}; utterances of {args.seconds:g} s, {args.channels} channels, "
        f"{args.audio_format}, {args.fs} Hz. Times real time per core:\n"
    )
    rows = []
    with tempfile.TemporaryDirectory() as name:
        files = write_recordings(Path(name), args)
        speeds = [times_real_time(ours(files, Path(name), args, way), args) for way in WAYS]
        rows.append(["ours", *speeds])
        try:
            speeds = [
                times_real_time(lhotse(files, Path(name), args, way), args) for way in WAYS[:2]
            ]
            rows.append(["lhotse", *speeds, ""])
        except ImportError:
            rows.append(["lhotse (not installed)", "", "", ""])
    print(table(("", *WAYS), rows))


if __name__ == "__main__":
    main()
