#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Write the data directories, audio and manifests of mini_synth, all of it synthesised."""

import argparse
import logging
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Optional

import numpy as np
from generated_noise import make_noise
from mini_synth_corpus import BABBLE, Draw, Utterance

from espnet_cbpc.data.audio.audio_file import write_audio
from espnet_cbpc.data.audio.espeak_speech import EspeakSynthesizer
from espnet_cbpc.data.kaldi.atomic_dir import whole_directory
from espnet_cbpc.data.kaldi.kaldi_dir import write_data_dir
from espnet_cbpc.data.mixing.snr import mix_at_snr
from espnet_cbpc.data.noisy_sets.noisy_mixture import audio_files, write_manifest
from espnet_cbpc.data.noisy_sets.write_sets import mixture_tables
from espnet_cbpc.utils.cli import check_at_least, run
from espnet_cbpc.utils.parallel import parallel_map

PEAK = 0.5  # of speech before mixing: leaves most mixtures room


def get_parser() -> argparse.ArgumentParser:
    """Return the command-line parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--data", default="data", help="folder to write to")
    parser.add_argument("--num_train", type=int, default=1000, help="utterances in train")
    parser.add_argument("--num_dev", type=int, default=80, help="utterances in dev")
    parser.add_argument(
        "--num_test", type=int, default=80, help="distinct utterances in a test set"
    )
    parser.add_argument("--fs", type=int, default=8000, help="sampling rate to write, in Hz")
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Prepare all sets.

    Raises:
        UserError: an option out of range, or espeak-ng is not installed.
    """
    args = get_parser().parse_args(cmd)
    check_at_least(args, num_train=1, num_dev=1, num_test=1, fs=8000, seed=0, nj=1)
    EspeakSynthesizer(args.fs)  # nothing is written where it is not there
    sets = Draw(args.seed).sets(args.num_train, args.num_dev, args.num_test)
    data = Path(args.data)
    for name, utterances in sets.items():
        (data / name / "wav.scp").unlink(missing_ok=True)  # not whole until written again
        write_manifest(data / "manifests" / f"{name}.jsonl", utterances)
    write_sets(sets, data / "audio", args.fs, args.nj)
    for name, utterances in sets.items():
        write_data_dir(data / name, tables(utterances, data / "audio" / name))
        logging.info("%s: %d utterances", data / name, len(utterances))


def write_sets(sets: dict[str, list[Utterance]], folder: Path, fs: int, nj: int) -> None:
    """Write ``<folder>/<set>/{noisy,clean,noise}/<id>.wav``; the folder is written atomically."""
    write = partial(write_utterance, fs=fs)
    with whole_directory(folder, is_data_directory=False) as temporary:
        jobs = [(u, temporary / name) for name, utterances in sets.items() for u in utterances]
        for utterance, subfolder in jobs:
            for path in audio_files(utterance, subfolder).values():
                path.parent.mkdir(parents=True, exist_ok=True)
        for _ in parallel_map(write, jobs, len(jobs), nj, "synthesis"):
            pass


def write_utterance(job: tuple[Utterance, Path], fs: int) -> None:
    """Synthesise one utterance, mix it, and write its files into a folder."""
    utterance, folder = job
    speech = synthesizer(fs).speak(utterance.text, utterance.voice, utterance.rate, utterance.pitch)
    speech *= PEAK / np.abs(speech).max()
    signals = {"clean": speech}
    if utterance.noise:
        rng = np.random.default_rng(utterance.noise_seed)
        noise = make_noise(utterance.noise, len(speech), fs, rng, talkers(utterance.noise, fs))
        noisy, clean, noise = mix_at_snr(speech, noise, utterance.snr, fs)
        signals = {"noisy": noisy, "clean": clean, "noise": noise}
    for kind, path in audio_files(utterance, folder).items():
        write_audio(path, signals[kind], fs)


@cache
def synthesizer(fs: int) -> EspeakSynthesizer:
    """Return this process's synthesizer."""
    return EspeakSynthesizer(fs)


@cache
def talkers(kind: str, fs: int) -> tuple[np.ndarray, ...]:
    """Return the speech to mix a kind of babble from; none for other noises."""
    return tuple(
        synthesizer(fs).speak(" ".join(texts), voice)
        for voice, texts in BABBLE.get(kind, {}).items()
    )


def tables(utterances: Sequence[Utterance], audio: Path) -> dict[str, dict[str, str]]:
    """Return the files of a data directory by name, each by utterance.

    As of all noisy sets, but a ratio that was drawn has two decimals in ``utt2snr``, and
    utterances without noise are not in ``spk1.scp``.
    """
    result = mixture_tables(utterances, audio)
    result["utt2snr"] = {u.id: _snr_name(u) for u in utterances}
    clean = result.pop("spk1.scp")
    if "noise1.scp" in result:
        result["spk1.scp"] = {key: clean[key] for key in result["noise1.scp"]}
    return result


def _snr_name(utterance: Utterance) -> str:
    if utterance.snr is None:
        return "clean"
    return f"{utterance.snr:.2f}" if isinstance(utterance.snr, float) else str(utterance.snr)


if __name__ == "__main__":
    run(main)
