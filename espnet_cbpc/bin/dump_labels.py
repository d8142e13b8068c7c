# SPDX-License-Identifier: Apache-2.0
"""Label stored encoder features: labels.ark and labels.scp, Kaldi int32 vectors.

ESPnet reads them with the data type kaldi_ark.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import kaldiio
import numpy as np

from espnet_cbpc.compat.releases import check_frame_counting
from espnet_cbpc.data.kaldi.kaldi_dir import read_table, write_table
from espnet_cbpc.tokenizer.feature_store import StoredFeatures
from espnet_cbpc.tokenizer.kmeans import KMeansTokenizer
from espnet_cbpc.utils.cli import UserError, listed, run
from espnet_cbpc.utils.files import atomic_write
from espnet_cbpc.utils.progress import progress


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--tokenizer", required=True, help="tokenizer.safetensors")
    parser.add_argument(
        "--feature_dirs", nargs="+", required=True, help="written by dump_encoder_features"
    )
    parser.add_argument(
        "--all_of",
        help="table of utterances; those without features (no clean speech) get -1",
    )
    parser.add_argument("--output_dir", required=True, help="where to write")
    return parser


def main(cmd=None) -> None:
    """Label every utterance."""
    args = get_parser().parse_args(cmd)
    tokenizer = KMeansTokenizer.load(args.tokenizer)
    features = StoredFeatures(args.feature_dirs)
    frames = features.settings.get("frames", "")
    check_frame_counting(frames, listed(args.feature_dirs), "run dump_encoder_features again")
    output_dir = Path(args.output_dir).absolute()
    ark, scp = output_dir / "labels.ark", output_dir / "labels.scp"
    scp.unlink(missing_ok=True)  # an earlier one does not fit the new archive
    places: dict[str, str] = {}

    def labelled() -> Iterator[tuple[str, np.ndarray]]:
        yield from ((u, tokenizer.label(h)) for u, h in progress(features, "label"))
        if args.all_of is not None:
            others = sorted(read_table(args.all_of).keys() - places.keys())
            yield from ((u, np.array([-1])) for u in others)

    with atomic_write(ark, "wb") as f:
        for utterance, q in labelled():
            if utterance in places:
                raise UserError(f"'{utterance}' is in {' '.join(args.feature_dirs)} twice")
            places[utterance] = f"{ark}:{f.tell() + len(utterance.encode()) + 1}"
            kaldiio.save_ark(f, {utterance: q.astype(np.int32)})
    with atomic_write(output_dir / "labels.json") as f:
        json.dump({"frames": frames}, f)
    write_table(scp, places)


if __name__ == "__main__":
    run(main)
