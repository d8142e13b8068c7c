# SPDX-License-Identifier: Apache-2.0
"""Write the ASR encoder outputs of speech to a folder of chunk files; a re-run resumes."""

import argparse

from espnet_cbpc.compat.releases import frame_counting
from espnet_cbpc.data.kaldi.kaldi_dir import read_table
from espnet_cbpc.inference.decoding_record import file_hashes
from espnet_cbpc.model.joint_config import asr_sampling_rate
from espnet_cbpc.tokenizer.feature_store import FeatureWriter
from espnet_cbpc.tokenizer.features import encoder_features
from espnet_cbpc.tokenizer.tokenizer_config import read_tokenizer_config
from espnet_cbpc.utils.cli import UserError, run
from espnet_cbpc.utils.files import read_yaml
from espnet_cbpc.utils.progress import progress


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--config", help="YAML file of the tokenizer, which names the encoder layer"
    )
    parser.add_argument("--asr_train_config", required=True, help="config.yaml of the ASR model")
    parser.add_argument("--asr_model_file", required=True, help="checkpoint of the ASR model")
    parser.add_argument("--wav_scp", required=True, help="speech, or one job's share of it")
    parser.add_argument(
        "--fs",
        type=int,
        required=True,
        help="sampling rate of the model in Hz, if its configuration states none",
    )
    parser.add_argument("--batch_size", type=int, default=16, help="utterances per batch")
    parser.add_argument("--num_per_chunk", type=int, default=200, help="utterances per chunk file")
    parser.add_argument("--ngpu", type=int, default=0, help="0: CPU; 1: GPU")
    parser.add_argument("--output_dir", required=True, help="where to write")
    return parser


def main(cmd=None) -> None:
    """Encode and write what is missing."""
    args = get_parser().parse_args(cmd)
    fs = asr_sampling_rate(read_yaml(args.asr_train_config)) or args.fs
    layer, _ = read_tokenizer_config(args.config)
    wavs = read_table(args.wav_scp)
    models = {"asr_train_config": args.asr_train_config, "asr_model_file": args.asr_model_file}
    try:
        settings = {"layer": layer, "fs": fs, "frames": frame_counting(), **file_hashes(models)}
    except OSError as e:
        raise UserError(f"{e.filename}: cannot be read ({e.strerror})") from e
    writer = FeatureWriter(args.output_dir, wavs, settings, args.num_per_chunk)
    if not writer.todo:
        return
    from espnet_cbpc.model_zoo.load import (
        load_asr,  # slow to import: not when nothing is left to do
    )

    device = "cuda" if args.ngpu else "cpu"
    asr_model = load_asr((args.asr_train_config, args.asr_model_file))[0].to(device)

    def features(part):
        return encoder_features(asr_model, part, fs, layer, args.batch_size)

    for _ in progress(writer.run(features), "encode", writer.left):
        pass


if __name__ == "__main__":
    run(main)
