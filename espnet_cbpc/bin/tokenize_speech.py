# SPDX-License-Identifier: Apache-2.0
"""Fit an acoustic tokenizer to an ASR model, and report on it: features, K-means, quality.

The ASR encoder outputs of clean training speech are stored in OUTPUT_DIR/features and may be
removed afterwards; a second call resumes. OUTPUT_DIR then holds tokenizer.safetensors,
quality.json and quality.png, and the labels of the validation speech, clean and noisy.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from espnet_cbpc.data.audio.audio_file import sampling_rate
from espnet_cbpc.inference.inference_options import ANYWHERE
from espnet_cbpc.utils.cli import run
from espnet_cbpc.utils.extras import check_extra


def get_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--asr_model", required=True, help=f"ASR model: {ANYWHERE}")
    add("--cachedir", help="folder for downloaded and unpacked files")
    add("--train_scp", required=True, help="table of clean speech to fit to")
    add("--valid_clean_scp", required=True, help="table of clean speech to report on")
    add("--valid_noisy_scp", required=True, help="table of the same speech with noise")
    add("--alignment", help="CTM file of its words or phones, to compare with")
    add("--config", help="YAML file with the layer and the options of the fit")
    add("--fs", type=sampling_rate, default="16k",
        help="sampling rate, such as 8000 or 8k, if the model states none")  # fmt: skip
    add("--batch_size", type=int, default=16, help="utterances per batch")
    add("--ngpu", type=int, default=0, choices=(0, 1), help="GPUs to use")
    add("--output_dir", required=True, help="where to write")
    return parser


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    args = get_parser().parse_args(cmd)
    check_extra("the plot of a tokenizer's quality", "train")
    from espnet_cbpc.bin import dump_encoder_features, fit_tokenizer  # slow to import
    from espnet_cbpc.model_zoo.locate import locate

    model = locate(args.asr_model, "asr", args.cachedir)
    features = Path(args.output_dir) / "features"
    shared = ["--asr_train_config", str(model.config), "--asr_model_file", str(model.checkpoint)]
    for name in ("config", "fs", "batch_size", "ngpu"):
        if getattr(args, name) is not None:
            shared += [f"--{name}", str(getattr(args, name))]
    dump_encoder_features.main(
        [*shared, "--wav_scp", args.train_scp, "--output_dir", str(features)]
    )
    words = [*shared, "--feature_dirs", str(features), "--output_dir", args.output_dir]
    for name in ("valid_clean_scp", "valid_noisy_scp", "alignment"):
        if getattr(args, name) is not None:
            words += [f"--{name}", getattr(args, name)]
    fit_tokenizer.main(words)


if __name__ == "__main__":
    run(main)
