#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Measure how long fitting the tokenizer takes, its memory and its inertia, beside scikit-learn.

Prints a Markdown table. The frames come from a seeded mixture whose components overlap, are more
than the clusters, and have unequal weights. They are stored first (not timed); then each system
fits in a process of its own: this package, streaming the stored features; scikit-learn's
MiniBatchKMeans with all features in memory and the settings of ESPnet's
egs2/TEMPLATE/asr1/pyscripts/utils/learn_kmeans.py; scikit-learn's KMeans on as many frames as
--kmeans_sample says. Seconds include reading the features, but no imports; the memory is the peak
of the whole process.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import numpy as np
import torch
from common import MIB, in_own_process, machine, resident, table

from espnet_cbpc.tokenizer.clustering import assign
from espnet_cbpc.tokenizer.feature_store import FeatureWriter, StoredFeatures, StoredFrames
from espnet_cbpc.tokenizer.kmeans import KMeansTokenizer
from espnet_cbpc.utils.progress import progress

UTTERANCE_FRAMES = 500
HELD_OUT_FRAMES = 50_000
COMPONENTS = 3  # of the mixture, a cluster


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=2_000_000, help="frames to fit on")
    parser.add_argument("--dim", type=int, default=256, help="dimensions of a frame")
    parser.add_argument("--clusters", type=int, default=500, help="clusters")
    parser.add_argument("--kmeans_sample", type=int, default=200_000, help="frames for KMeans")
    parser.add_argument("--seed", type=int, default=0, help="of the mixture and of every fit")
    parser.add_argument(
        "--reassignment_ratio", type=float, default=0.0, help="of MiniBatchKMeans (ESPnet: 0.0)"
    )
    parser.add_argument("--work_dir", help="folder for the features; default: a temporary one")
    parser.add_argument("--system", choices=sorted(SYSTEMS), help=argparse.SUPPRESS)
    return parser


class Mixture:
    """A mixture of Gaussians whose components overlap and have unequal weights."""

    def __init__(self, components: int, dim: int, seed: int):
        rng = np.random.default_rng(seed)
        self.scale = (1 / np.sqrt(1 + np.arange(dim))).astype(np.float32)  # as of a speech encoder
        self.weights = rng.dirichlet(np.ones(components))
        self.means = rng.standard_normal((components, dim), np.float32) * self.scale
        self.rng = rng

    def draw(self, frames: int) -> np.ndarray:
        """Return (frames, dim) float32."""
        q = self.rng.choice(len(self.weights), frames, p=self.weights)
        noise = self.rng.standard_normal((frames, len(self.scale)), np.float32)
        return self.means[q] + 0.7 * self.scale * noise


def store_mixture(args: argparse.Namespace) -> None:
    """Write the features, ``held_out.npy``, and nothing if these very ones are there."""
    mixture = Mixture(COMPONENTS * args.clusters, args.dim, args.seed)
    work_dir = Path(args.work_dir)
    ids = {f"utt{i:07d}": "" for i in range(args.frames // UTTERANCE_FRAMES)}
    settings = {"seed": args.seed, "dim": args.dim, "clusters": args.clusters}
    writer = FeatureWriter(work_dir / "features", ids, settings)
    if writer.left == len(ids):
        np.save(work_dir / "held_out.npy", mixture.draw(HELD_OUT_FRAMES))

        def features(part: dict[str, str]) -> Iterator[tuple[str, np.ndarray]]:
            return ((u, mixture.draw(UTTERANCE_FRAMES)) for u in part)

        for _ in progress(writer.run(features), "store", len(ids)):
            pass
    elif writer.todo:
        sys.exit(f"error: {work_dir}: features of an earlier run are not whole: remove the folder")


def read_frames(args: argparse.Namespace, frames: int) -> np.ndarray:
    """Return the first frames of the store, (frames, dim) float32."""
    x, filled = np.empty((frames, args.dim), np.float32), 0
    for h in StoredFrames(StoredFeatures([Path(args.work_dir) / "features"])):
        h = h[: frames - filled]
        x[filled : filled + len(h)] = h
        filled += len(h)
        if filled == frames:
            break
    return x[:filled]


def fit_ours(args: argparse.Namespace) -> np.ndarray:
    """Fit this package's tokenizer on the stored features."""
    features = StoredFeatures([Path(args.work_dir) / "features"], args.seed)
    return KMeansTokenizer.fit(StoredFrames(features), args.clusters, args.seed).centroids.numpy()


def fit_minibatch(args: argparse.Namespace) -> np.ndarray:
    """Fit scikit-learn's MiniBatchKMeans on all features in memory, as ESPnet's recipe does."""
    from sklearn.cluster import MiniBatchKMeans

    kmeans = MiniBatchKMeans(
        args.clusters,
        init="k-means++",
        n_init=20,
        max_iter=100,
        batch_size=10_000,
        tol=0.0,
        max_no_improvement=100,
        reassignment_ratio=args.reassignment_ratio,
        compute_labels=False,
        random_state=args.seed,
    )
    return kmeans.fit(read_frames(args, args.frames)).cluster_centers_


def fit_kmeans(args: argparse.Namespace) -> np.ndarray:
    """Fit scikit-learn's KMeans on a sample."""
    from sklearn.cluster import KMeans

    kmeans = KMeans(args.clusters, n_init=1, random_state=args.seed)
    return kmeans.fit(read_frames(args, args.kmeans_sample)).cluster_centers_


SYSTEMS: dict[str, Callable[[argparse.Namespace], np.ndarray]] = {
    "ours": fit_ours,
    "minibatch": fit_minibatch,
    "kmeans": fit_kmeans,
}


def measure_here(args: argparse.Namespace) -> None:
    """Fit one system in this process; write its centroids and print its figures as JSON."""
    import sklearn.cluster  # noqa: F401  # not part of the time

    start = time.monotonic()
    centroids = SYSTEMS[args.system](args)
    seconds = time.monotonic() - start
    peak = resident() / MIB
    np.save(Path(args.work_dir) / f"{args.system}.npy", centroids.astype(np.float32))
    print(json.dumps({"seconds": seconds, "mib": peak}))


def measure(args: argparse.Namespace, system: str) -> dict[str, float]:
    """Fit one system in a process of its own and evaluate its centroids here."""
    options = [f"--{name}={value}" for name, value in vars(args).items() if name != "system"]
    figures = in_own_process(__file__, *options, f"--system={system}")
    centroids = np.load(Path(args.work_dir) / f"{system}.npy")
    figures["held_out"] = inertia(np.load(Path(args.work_dir) / "held_out.npy"), centroids)
    figures["sample"] = inertia(read_frames(args, args.kmeans_sample), centroids)
    return figures


def inertia(x: np.ndarray, centroids: np.ndarray) -> float:
    """Return the mean squared distance of the frames (n, D) to their nearest centroid."""
    c = torch.from_numpy(centroids)
    blocks = torch.from_numpy(x).split(10_000)
    return sum(float(assign(block, c)[1].sum()) for block in blocks) / len(x)


def compared(args: argparse.Namespace) -> str:
    """Measure every system and return the Markdown table."""
    names = {
        "ours": f"ours, {args.frames:,} frames streamed",
        "minibatch": f"MiniBatchKMeans as in ESPnet's recipe, {args.frames:,} frames",
        "kmeans": f"KMeans, {args.kmeans_sample:,} frames",
    }
    figures = {system: measure(args, system) for system in names}
    rows = []
    for system, name in names.items():
        cells = [name]
        for key, digits in (("seconds", 1), ("mib", 0), ("held_out", 4), ("sample", 4)):
            value = figures[system][key]
            cells += [f"{value:.{digits}f} ({value / figures['ours'][key]:.4g})"]
        rows.append(cells)
    heads = ("times ours in brackets", "seconds", "peak MiB", "inertia, held out")
    return table((*heads, "inertia, KMeans' own sample"), rows)


def main(cmd=None) -> None:
    """Measure one system, or store the features and measure all."""
    args = get_parser().parse_args(cmd)
    if args.system:
        measure_here(args)
        return
    with tempfile.TemporaryDirectory() as temporary:
        args.work_dir = args.work_dir or temporary
        store_mixture(args)
        print(f"{machine('cpu')}; K = {args.clusters}, D = {args.dim}, seed {args.seed}\n")
        print(compared(args))


if __name__ == "__main__":
    main()
