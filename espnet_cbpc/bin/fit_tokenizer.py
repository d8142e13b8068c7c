"""Fit an acoustic tokenizer on the ASR encoder's outputs over clean speech, and report on it.

Writes to the output directory: tokenizer.safetensors, and for the validation speech labels_clean
and labels_noisy (a line an utterance) and quality.json.
"""

import argparse
import json
import logging
from pathlib import Path

import numpy as np
import torch

from espnet_cbpc.data.kaldi_dir import write_table
from espnet_cbpc.tokenizer.features import encoder_features
from espnet_cbpc.tokenizer.kmeans import KMeansTokenizer
from espnet_cbpc.tokenizer.quality import cluster_quality
from espnet_cbpc.tokenizer.tokenizer_config import read_tokenizer_config
from espnet_cbpc.utils.cli import run
from espnet_cbpc.utils.files import atomic_write


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--config", help="yaml with n_clusters, layer, seed, max_frames, n_init")
    parser.add_argument("--asr_train_config", required=True, help="config.yaml of the ASR model")
    parser.add_argument("--asr_model_file", required=True, help="checkpoint of the ASR model")
    parser.add_argument("--wav_scp", required=True, help="clean training speech")
    parser.add_argument("--valid_clean_scp", required=True, help="clean speech to report on")
    parser.add_argument("--valid_noisy_scp", required=True, help="the same in noise")
    parser.add_argument("--fs", type=int, required=True, help="sampling rate of the model, in Hz")
    parser.add_argument("--batch_size", type=int, default=16, help="utterances encoded at a time")
    parser.add_argument("--ngpu", type=int, default=0, help="0: CPU; 1: GPU")
    parser.add_argument("--output_dir", required=True, help="where to write")
    return parser


def main(cmd=None) -> None:
    """Fit, label, report."""
    args = get_parser().parse_args(cmd)
    layer, fit_conf = read_tokenizer_config(args.config)
    from espnet2.tasks.asr import ASRTask  # slow to import: after the options are known to be good

    device = "cuda" if args.ngpu else "cpu"
    asr_model, _ = ASRTask.build_model_from_file(args.asr_train_config, args.asr_model_file, device)
    asr_model.eval()

    def stream(scp):
        return encoder_features(asr_model, scp, args.fs, layer, args.batch_size)

    tokenizer = KMeansTokenizer.fit((h for _, h in stream(args.wav_scp)), **fit_conf)
    output_dir = Path(args.output_dir)
    tokenizer.save(output_dir / "tokenizer.safetensors")

    labels = {}
    for kind, scp in (("clean", args.valid_clean_scp), ("noisy", args.valid_noisy_scp)):
        labels[kind] = {u: label(tokenizer, h) for u, h in stream(scp)}
        lines = {u: " ".join(map(str, q)) for u, q in labels[kind].items()}
        write_table(output_dir / f"labels_{kind}", lines)
    noisy = {u: q for u, q in labels["noisy"].items() if u in labels["clean"]}
    quality = cluster_quality(labels["clean"], noisy, tokenizer.n_clusters)
    with atomic_write(output_dir / "quality.json") as f:
        json.dump(quality, f, indent=2)
    logging.info(
        "%d clusters, %d dead, perplexity %.1f, %.2f frames a run, %.1f %% of labels kept in noise",
        tokenizer.n_clusters,
        quality["dead"],
        quality["perplexity"],
        quality["mean_run"],
        100 * quality["noise_stability"],
    )


def label(tokenizer: KMeansTokenizer, h: np.ndarray) -> np.ndarray:
    """Return the labels (T,) of one utterance's frames (T, D)."""
    return tokenizer(torch.from_numpy(h)[None], torch.tensor([len(h)]))[0].numpy()


if __name__ == "__main__":
    run(main)
