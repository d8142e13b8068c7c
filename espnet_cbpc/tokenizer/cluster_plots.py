# SPDX-License-Identifier: Apache-2.0
"""Plots of the quality of a tokenizer's clusters."""

from typing import Any, Optional

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure  # without pyplot: no display, no state that outlives the call

from espnet_cbpc.tokenizer.cluster_quality import ReferenceCounts
from espnet_cbpc.utils.files import PathLike, atomic_write

MAX_SYMBOLS = 60  # rows of the heat map, as many as can be read
MAX_CLUSTER_NAMES = 60  # columns of the heat map that can be named


def plot_quality(
    quality: dict[str, Any], counts: Optional[ReferenceCounts], path: PathLike
) -> None:
    """Draw the sizes of the clusters, their stability in noise, and what they stand for.

    Args:
        quality: of :func:`espnet_cbpc.tokenizer.cluster_quality.cluster_quality`.
        counts: of :func:`espnet_cbpc.tokenizer.cluster_quality.label_reference_agreement`; without them
            (or in an empty table) the heat map is left out.
        path: the PNG file, written atomically.
    """
    shown = 0
    if counts is not None and counts.counts.any():
        shown = min(len(counts.symbols), MAX_SYMBOLS + 1)
    heights = [4.5, 1.5 + 0.18 * shown] if shown else [4.5]  # inches
    figure = Figure(figsize=(13, sum(heights)), layout="constrained")
    grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
    _draw_sizes(figure.add_subplot(grid[0, 0]), quality)
    _draw_stability(figure.add_subplot(grid[0, 1]), quality)
    if counts is not None and shown:
        _draw_map(figure.add_subplot(grid[1, :]), counts)
    with atomic_write(path, "wb") as f:
        figure.savefig(f, format="png", dpi=120)


def heat_map_table(counts: ReferenceCounts) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return what the heat map shows, in its order.

    Returns:
        (S, K) P(symbol | cluster); (K,) the clusters, those that have a reference, by their most
        frequent symbol and the purest first; the S symbols, the most frequent first, where the
        rarest of more than ``MAX_SYMBOLS`` are one.
    """
    by_frequency = np.argsort(-counts.counts.sum(0), kind="stable")
    shares = counts.counts[:, by_frequency] / counts.counts.sum(1, keepdims=True).clip(1)  # (K, S)
    clusters = np.lexsort((-shares.max(1), shares.argmax(1)))
    clusters = clusters[shares[clusters].any(1)]
    shown, symbols = shares[clusters].T, [str(counts.symbols[s]) for s in by_frequency]
    rare = len(symbols) - MAX_SYMBOLS
    if rare > 1:
        shown = np.r_[shown[:MAX_SYMBOLS], shown[MAX_SYMBOLS:].sum(0, keepdims=True)]
        symbols = [*symbols[:MAX_SYMBOLS], f"({rare} rarer)"]
    return shown, clusters, symbols


def _draw_sizes(axes: Axes, quality: dict[str, Any]) -> None:
    sizes = np.sort(quality["sizes"])[::-1]
    rank = np.arange(1, len(sizes) + 1)
    axes.bar(rank, sizes, width=1, color="tab:blue")
    dead = sizes == 0
    if dead.any():
        label = f"dead: {dead.sum()}"
        axes.plot(rank[dead], sizes[dead], "x", color="tab:red", clip_on=False, label=label)
    axes.axhline(sizes.mean(), color="black", linestyle="--", linewidth=1, label="mean")
    axes.set_yscale("symlog", linthresh=1)  # shows 0 as well
    axes.set_ylim(bottom=0)
    axes.set_xlim(0.5, len(sizes) + 0.5)
    axes.set(xlabel="cluster, by size", ylabel="frames")
    axes.set_title(f"{len(sizes)} clusters, perplexity {quality['perplexity']:.1f}")
    axes.legend(loc="upper right")


def _draw_stability(axes: Axes, quality: dict[str, Any]) -> None:
    pairs = zip(quality["sizes"], quality["noise_stability_per_cluster"])
    known = np.array([pair for pair in pairs if pair[1] is not None]).reshape(-1, 2)
    if not len(known):
        axes.set_title("stability in noise: no noisy speech")
        axes.set_axis_off()
        return
    axes.scatter(known[:, 0], known[:, 1], s=14, alpha=0.6, color="tab:blue")
    axes.axhline(quality["noise_stability"], color="black", linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.set_ylim(-0.02, 1.02)
    axes.set(xlabel="frames of the cluster", ylabel="share of frames that keep their label")
    overall = f"{quality['noise_stability']:.2f} of all frames (dashed)"
    axes.set_title(f"stability in noise of {len(known)} clusters, {overall}")


def _draw_map(axes: Axes, counts: ReferenceCounts) -> None:
    shares, clusters, symbols = heat_map_table(counts)
    image = axes.imshow(
        shares, aspect="auto", interpolation="nearest", cmap="magma_r", vmin=0, vmax=1
    )
    axes.figure.colorbar(image, ax=axes, label="P(symbol | cluster)", pad=0.01)
    axes.set_yticks(range(len(symbols)), symbols, fontsize=8, parse_math=False)
    named = len(clusters) <= MAX_CLUSTER_NAMES
    if named:
        axes.set_xticks(range(len(clusters)), clusters, fontsize=8, rotation=90)
    what = "cluster" if named else "rank of the cluster"
    axes.set(xlabel=f"{what}, by its most frequent symbol", ylabel="symbol, by frequency")
    without = len(counts.counts) - len(clusters)
    axes.set_title(f"reference symbols of {len(clusters)} clusters ({without} without any)")
