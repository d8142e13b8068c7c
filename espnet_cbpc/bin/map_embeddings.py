# SPDX-License-Identifier: Apache-2.0
"""Map encoder frames of noisy and enhanced speech among the clusters of clean speech.

The clean ASR model encodes clean speech (whose frames give the pseudo-labels), noisy speech and
speech enhanced by the separate SE model: the state before joint training. Each joint model encodes
its own enhanced speech: the state after it. All frames are projected together.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

import numpy as np
import torch

from espnet_cbpc.data.audio.audio_file import sampling_rate
from espnet_cbpc.data.audio.recording import read_recording
from espnet_cbpc.data.kaldi.kaldi_dir import heard_table, read_table
from espnet_cbpc.html_report.embedding_map import map_frames
from espnet_cbpc.scoring.report.scoring_options import named_folders
from espnet_cbpc.tokenizer.kmeans import KMeansTokenizer
from espnet_cbpc.tokenizer.tokenizer_config import read_tokenizer_config
from espnet_cbpc.utils.cli import UserError, run
from espnet_cbpc.utils.progress import progress

CLEAN, NOISY = "clean speech, clean ASR", "noisy speech, clean ASR"
ENHANCED = "SE, then clean ASR"


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--asr_train_config", required=True, help="config.yaml of the clean ASR model"
    )
    parser.add_argument("--asr_model_file", required=True, help="its checkpoint")
    parser.add_argument(
        "--enh_train_config", help="config.yaml of the SE model before joint training"
    )
    parser.add_argument("--enh_model_file", help="its checkpoint")
    parser.add_argument(
        "--joint", nargs="*", default=[], metavar="NAME=CONFIG,CHECKPOINT", help="joint models"
    )
    parser.add_argument("--tokenizer", required=True, help="tokenizer.safetensors")
    parser.add_argument(
        "--config", help="YAML file of the tokenizer, which names the encoder layer"
    )
    parser.add_argument(
        "--data_dir", required=True, help="formatted set, of which speech of category SIMU is used"
    )
    parser.add_argument(
        "--fs", type=sampling_rate, help="sampling rate of the speech, such as 8000 or 8k"
    )
    parser.add_argument(
        "--num_utterances", type=int, default=30, help="number of utterances, drawn at random"
    )
    parser.add_argument(
        "--max_frames",
        type=int,
        default=400,
        help="largest number of frames of each system on the map",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="random seed of the selection and the projection"
    )
    parser.add_argument("--ngpu", type=int, default=0, choices=(0, 1), help="GPUs to use")
    parser.add_argument("--output", required=True, help="npz file to write")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    layer, _ = read_tokenizer_config(args.config)
    tokenizer = KMeansTokenizer.load(args.tokenizer)
    joint = named_folders("--joint", args.joint, "NAME=CONFIG,CHECKPOINT")
    for name, files in joint.items():
        if len(files) != 2:
            raise UserError(f"--joint '{name}': write it as NAME=CONFIG,CHECKPOINT")
    entries = _entries(Path(args.data_dir), args.num_utterances, args.seed)
    from espnet_cbpc.html_report.frame_embeddings import FrameEncoder  # slow to import

    device = "cuda" if args.ngpu else "cpu"
    asr = {"asr_train_config": args.asr_train_config, "asr_model_file": args.asr_model_file}
    enh = {"enh_train_config": args.enh_train_config, "enh_model_file": args.enh_model_file}
    clean = FrameEncoder(layer, args.fs, device, **asr)
    fs = clean.fs
    read = [[read_recording(entry, fs)[0] for entry in of_one] for of_one in entries.values()]
    noisy, heard, reference = zip(*read)
    of_each = {CLEAN: clean.frames(reference), NOISY: clean.frames(heard)}
    systems = {ENHANCED: {**asr, **enh}} if any(enh.values()) else {}
    systems.update(
        {
            name: {"enh_asr_train_config": c, "enh_asr_model_file": m}
            for name, (c, m) in joint.items()
        }
    )
    for name, models in progress(systems.items(), "encode"):
        encoder = FrameEncoder(layer, args.fs, device, **models)
        of_each[name] = encoder.frames(noisy if encoder.system.takes_several_channels else heard)
    labels = np.concatenate([tokenizer.label(h) for h in of_each[CLEAN]])
    frames = {
        name: np.concatenate([tokenizer.seen(torch.from_numpy(h)).numpy() for h in found])
        for name, found in of_each.items()
    }
    where = "the encoder's output" if layer is None else f"encoder block {layer}"
    source = (
        f"{len(labels)} frames of {len(entries)} utterances of {Path(args.data_dir).name}, {where}"
    )
    found = map_frames(
        frames, labels, tokenizer.centroids.numpy(), source, args.max_frames, args.seed
    )
    found.save(args.output)
    for name, kept in zip(found.names, found.kept):
        print(f"{name}: {100 * kept:.1f} % of frames nearest to the centroid of their clean frame")


def _entries(data_dir: Path, count: int, seed: int) -> dict[str, tuple[str, str, str]]:
    """Return noisy recording, its reference channel and clean file of some utterances."""
    paths = (data_dir / "wav.scp", heard_table(data_dir), data_dir / "spk1.scp")
    noisy, heard, clean = map(read_table, paths)
    categories = read_table(data_dir / "utt2category")
    simulated = [u for u in noisy if categories.get(u) == "SIMU" and u in clean]
    if not simulated or count < 1:
        raise UserError(
            f"{data_dir}: {len(simulated)} utterance(s) of category SIMU, {count} asked for: take "
            "a set of simulated noisy speech, and at least one utterance"
        )
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(simulated), min(count, len(simulated)), replace=False)
    return {u: (noisy[u], heard[u], clean[u]) for u in sorted(simulated[i] for i in chosen)}


if __name__ == "__main__":
    run(main)
