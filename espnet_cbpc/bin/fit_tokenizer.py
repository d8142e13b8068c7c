# SPDX-License-Identifier: Apache-2.0
"""Fit an acoustic tokenizer on stored features of clean speech, and report on it.

The features are the ASR encoder's outputs, as dump_encoder_features stores them. Writes to the
output directory: tokenizer.safetensors, and for the validation speech labels_clean and labels_noisy
(one line per utterance), quality.json and quality.png.
"""

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

import numpy as np
import torch

from espnet_cbpc.compat.releases import check_frame_counting
from espnet_cbpc.data.audio.audio_file import read_header
from espnet_cbpc.data.kaldi.kaldi_dir import read_table, write_table
from espnet_cbpc.model.joint_config import asr_sampling_rate
from espnet_cbpc.model.position_baseline import position_baseline
from espnet_cbpc.tokenizer.cluster_quality import cluster_quality, label_reference_agreement
from espnet_cbpc.tokenizer.feature_store import StoredFeatures, StoredFrames
from espnet_cbpc.tokenizer.features import encoder_features
from espnet_cbpc.tokenizer.frame_references import ctc_tokens, ctm_references
from espnet_cbpc.tokenizer.kmeans import KMeansTokenizer
from espnet_cbpc.tokenizer.label_positions import label_position_information
from espnet_cbpc.tokenizer.tokenizer_config import read_tokenizer_config
from espnet_cbpc.utils.cli import UserError, listed, run
from espnet_cbpc.utils.extras import check_extra
from espnet_cbpc.utils.files import atomic_write, read_yaml
from espnet_cbpc.utils.progress import progress

KEPT_FRAMES = 20_000  # of validation speech, to see what positions alone tell
# Above it a warning: clusters of an encoder with absolute positional embeddings may be times.
MANY_TIMES = 0.1


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--config", help="YAML file with the layer and the options of KMeansTokenizer.fit"
    )
    parser.add_argument("--asr_train_config", required=True, help="config.yaml of the ASR model")
    parser.add_argument("--asr_model_file", required=True, help="checkpoint of the ASR model")
    parser.add_argument(
        "--feature_dirs", nargs="+", required=True, help="stored features of clean training speech"
    )
    parser.add_argument("--valid_clean_scp", required=True, help="clean speech to report on")
    parser.add_argument("--valid_noisy_scp", required=True, help="the same speech in noise")
    parser.add_argument("--alignment", help="CTM file of its words or phones, to compare with")
    parser.add_argument(
        "--fs",
        type=int,
        required=True,
        help="sampling rate of the model in Hz, if its configuration states none",
    )
    parser.add_argument("--batch_size", type=int, default=16, help="utterances per batch")
    parser.add_argument("--ngpu", type=int, default=0, help="0: CPU; 1: GPU")
    parser.add_argument("--output_dir", required=True, help="where to write")
    return parser


def main(cmd=None) -> None:
    """Fit, label, report."""
    args = get_parser().parse_args(cmd)
    check_extra("the plot of a tokenizer's quality", "train")
    fs = asr_sampling_rate(read_yaml(args.asr_train_config)) or args.fs
    layer, fit_conf = read_tokenizer_config(args.config)
    stored = StoredFeatures(args.feature_dirs, fit_conf.get("seed", 0))
    if stored.settings["layer"] != layer:
        raise UserError(
            f"{listed(args.feature_dirs)}: features of layer {stored.settings['layer']}, but "
            f"{args.config} asks for {layer}: run dump_encoder_features again"
        )
    frames = stored.settings.get("frames", "")
    check_frame_counting(frames, listed(args.feature_dirs), "run dump_encoder_features again")
    from espnet_cbpc.model_zoo.load import (
        load_asr,  # slow to import: after the options are known to be good
    )

    device = "cuda" if args.ngpu else "cpu"
    asr_model = load_asr((args.asr_train_config, args.asr_model_file))[0].to(device)

    tokenizer = KMeansTokenizer.fit(StoredFrames(stored), **{"device": device, **fit_conf})
    output_dir = Path(args.output_dir)
    tokenizer.save(output_dir / "tokenizer.safetensors")

    clean_wavs, noisy_wavs = read_table(args.valid_clean_scp), read_table(args.valid_noisy_scp)
    clean = Validation(clean_wavs)
    # Only what has a clean counterpart, and in the same batches: padding changes numbers of frames.
    noisy = Validation({u: noisy_wavs[u] for u in clean_wavs if u in noisy_wavs})
    for speech, name in ((clean, "labels_clean"), (noisy, "labels_noisy")):
        speech.label(asr_model, tokenizer, fs, layer, args.batch_size)
        write_table(output_dir / name, {u: " ".join(map(str, q)) for u, q in speech.labels.items()})
    report(clean, noisy, tokenizer.n_clusters, args.alignment, output_dir)


class Validation:
    """Validation speech, its labels, and what they are compared with.

    Args:
        wavs: the audio file of each utterance.

    Attributes:
        labels: (T,) of each utterance.
        tokens: of each utterance, the token of each frame by the ASR model's CTC, or None; empty
            without a CTC.
        inertia: mean squared distance of a frame to its centroid.
        embeddings: (T, D) of some utterances, centred as the losses see them.
    """

    def __init__(self, wavs: Mapping[str, str]):
        self.wavs = wavs
        self.labels: dict[str, np.ndarray] = {}
        self.tokens: dict[str, list] = {}
        self.inertia = 0.0
        self.embeddings: list[torch.Tensor] = []

    def label(self, asr_model, tokenizer: KMeansTokenizer, fs: int, layer, batch_size: int) -> None:
        """Encode and label all utterances."""

        def keep_tokens(utterance, output):
            # A postencoder has another frame rate.
            if asr_model.ctc is not None and asr_model.postencoder is None:
                log_probs = asr_model.ctc.log_softmax(output[None])[0].cpu().numpy()
                self.tokens[utterance] = ctc_tokens(
                    log_probs, asr_model.token_list, asr_model.blank_id
                )

        features = encoder_features(asr_model, self.wavs, fs, layer, batch_size, keep_tokens)
        centroids, total, frames = tokenizer.centroids, 0.0, 0
        for utterance, h in progress(features, "labelling validation speech", len(self.wavs)):
            q, seen = tokenizer.label(h), tokenizer.seen(torch.from_numpy(h))
            self.labels[utterance] = q
            total += float((seen - centroids[q]).square().sum())
            if frames < KEPT_FRAMES:
                self.embeddings.append(seen - tokenizer.mean)
            frames += len(q)
        self.inertia = total / max(1, frames)

    def references(self, alignment: Optional[str]) -> Mapping[str, Sequence]:
        """Return the symbol of each frame: of the alignment where there is one, else of the CTC."""
        if alignment is None:
            return self.tokens
        headers = {u: read_header(path) for u, path in self.wavs.items()}
        durations = {u: samples / fs for u, (samples, fs) in headers.items()}
        return ctm_references(alignment, {u: len(q) for u, q in self.labels.items()}, durations)


def report(
    clean: Validation,
    noisy: Validation,
    n_clusters: int,
    alignment: Optional[str],
    output_dir: Path,
) -> None:
    """Write quality.json and quality.png, and log the main figures."""
    from espnet_cbpc.tokenizer.cluster_plots import plot_quality  # slow to import

    quality = cluster_quality(clean.labels, noisy.labels, n_clusters, clean.inertia)
    quality["positions"] = {
        **label_position_information(clean.labels, n_clusters),
        **position_baseline(clean.embeddings),
    }
    references, counts = clean.references(alignment), None
    if references:
        quality["agreement"], counts = label_reference_agreement(
            clean.labels, references, n_clusters
        )
        quality["agreement"]["reference"] = alignment or "most probable CTC tokens"
    with atomic_write(output_dir / "quality.json") as f:
        json.dump(quality, f, indent=2, allow_nan=False)
    plot_quality(quality, counts, output_dir / "quality.png")
    stability, pnmi = quality["noise_stability"], quality.get("agreement", {}).get("pnmi")
    times = quality["positions"]["share"]
    logging.info(
        "%d clusters, %d dead, perplexity %.1f, %.2f frames a run%s%s%s",
        n_clusters,
        quality["dead"],
        quality["perplexity"],
        quality["mean_run"],
        "" if stability is None else f", {100 * stability:.1f} % of labels kept in noise",
        "" if pnmi is None else f", PNMI {pnmi:.3f}",
        "" if times is None else f", {100 * times:.1f} % of the label information is the position",
    )
    if times is not None and times > MANY_TIMES:
        logging.warning(
            "clusters encode time: %.1f %% of the label information is the position in the utterance: "
            "subtract the position means (positions: 1500 in the tokenizer's configuration)",
            100 * times,
        )


if __name__ == "__main__":
    run(main)
