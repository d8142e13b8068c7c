# SPDX-License-Identifier: Apache-2.0
"""The tokenizer's clusters: figures from its quality.json, and the map of frames."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from espnet_cbpc.html_report.embedding_map import EmbeddingMap, most_frequent
from espnet_cbpc.html_report.figures import COLOURS, MARKERS, Picture, draw
from espnet_cbpc.scoring.report.table import Table
from espnet_cbpc.scoring.report.wording import MISSING, percent
from espnet_cbpc.utils.cli import UserError

Quality = dict[str, Any]  # of the clusters
SHOWN_LABELS = len(COLOURS)  # colours that can be told apart
OTHERS = "#8c8c8c"


def read_cluster_quality(folder: Path) -> Quality:
    """Return quality.json of a tokenizer's folder.

    Raises:
        UserError: it is missing or something else.
    """
    path = folder / "quality.json"
    try:
        quality = json.loads(path.read_text(encoding="utf-8"))
        if {"sizes", "dead", "perplexity"} <= quality.keys():
            return quality
    except (OSError, ValueError, AttributeError) as e:
        raise UserError(f"{path}: cannot be read ({e}): fit the tokenizer again") from e
    raise UserError(f"{path}: not the report of a tokenizer: fit it again")


def quality_table(quality: Quality) -> Table:
    """Return all single numbers with what they mean."""
    agreement = quality.get("agreement") or {}
    reference = agreement.get("reference", "")
    rows = [
        ("clusters", f"{len(quality['sizes'])}, {quality['dead']} of them without frames"),
        ("frames of clean validation speech", f"{quality.get('frames', sum(quality['sizes']))}"),
        ("perplexity (clusters, if all were used equally)", f"{quality['perplexity']:.1f}"),
        ("frames between changes of the label", _number(quality.get("mean_run"), 2)),
        ("labels kept in noise (%)", percent(quality.get("noise_stability"))),
        ("mean squared distance to the centroid", _number(quality.get("inertia_per_frame"), 2)),
    ]
    positions = quality.get("positions") or {}
    if positions:
        rows += [
            ("mutual information of label and position in the utterance, over the entropy of the "
             "labels", _number(positions.get("share"), 3)),
            ("infoNCE of a model that knows the position alone (by chance)",
             f"{_number(positions.get('infonce'), 2)} "
             f"({_number(positions.get('infonce_chance'), 2)})"),
            ("feature matching of such a model (1 by chance)",
             _number(positions.get("feature_matching"), 2)),
        ]  # fmt: skip
    if agreement:
        rows += [
            ("symbol purity (%): each cluster read as its most frequent symbol",
             percent(agreement.get("phone_purity"))),
            ("cluster purity (%): frames in the most frequent cluster of their symbol",
             percent(agreement.get("cluster_purity"))),
            ("mutual information of symbol and cluster, over the entropy of the symbols",
             _number(agreement.get("pnmi"), 3)),
            ("symbols", f"{agreement.get('symbols')}, from: {reference}"),
            ("frames without a symbol (%)", percent(agreement.get("share_without_reference"))),
        ]  # fmt: skip
    return Table("The clusters on validation speech", ["measure", "value"], rows, 2)


def plot_sizes(quality: Quality) -> Picture:
    """Draw the sizes of the clusters, the largest first."""
    sizes = np.sort(quality["sizes"])[::-1]
    alt = (
        f"Bar chart of the sizes of {len(sizes)} clusters, sorted: the largest has {sizes[0]} "
        f"frames, the median one {np.median(sizes):g}, the smallest {sizes[-1]}."
    )

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.bar(np.arange(1, len(sizes) + 1), sizes, width=0.9, color=COLOURS[0])
        axes.axhline(sizes.mean(), color=COLOURS[1], linestyle="--", label="mean")
        axes.set(xlabel="cluster, by size", ylabel="frames")
        axes.set_xlim(0.4, len(sizes) + 0.6)
        axes.legend()
        axes.grid(True, axis="y")

    return draw(paint, alt, height=2.6)


def plot_stability(quality: Quality) -> Picture:
    """Draw the share of each cluster's frames that keep their label in noise, over its size."""
    pairs = zip(quality["sizes"], quality["noise_stability_per_cluster"])
    known = np.array([pair for pair in pairs if pair[1] is not None])
    mean = quality["noise_stability"]
    alt = (
        f"Scatter plot of {len(known)} clusters: share of frames that keep their label in noise, "
        f"from {percent(known[:, 1].min())} to {percent(known[:, 1].max())} %, over the cluster's "
        f"size. Of all frames {percent(mean)} % keep it."
    )

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.scatter(known[:, 0], 100 * known[:, 1], s=16, color=COLOURS[0], alpha=0.8)
        axes.axhline(100 * mean, color=COLOURS[1], linestyle="--", label="all frames")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(-2, 102)
        axes.set(xlabel="frames of the cluster", ylabel="labels kept in noise (%)")
        axes.legend()
        axes.grid(True)

    return draw(paint, alt, height=2.6)


def map_panels(found: EmbeddingMap) -> list[tuple[str, Picture]]:
    """Return each system's part of the map, all with the same axes and colours."""
    named = most_frequent(found.labels, SHOWN_LABELS)
    low, high = found.xy.min((0, 1)), found.xy.max((0, 1))
    margin = 0.04 * (high - low)
    limits = (low - margin, high + margin)
    return [
        (name, _panel(name, xy, found.labels, named, limits, kept))
        for name, xy, kept in zip(found.names, found.xy, found.kept)
    ]


def map_table(found: EmbeddingMap) -> Table:
    """Return the numbers beside the map."""
    rows = [
        [name, percent(kept), _number(None if np.isnan(score) else score, 3)]
        for name, kept, score in zip(found.names, found.kept, found.silhouette)
    ]
    head = ["what is encoded", "frames nearest to their clean frame's centroid (%)", "silhouette"]
    return Table("Frames and the clusters of clean speech", head, rows)


def _panel(name, xy, labels, named, limits, kept) -> Picture:
    alt = (
        f"Map of {len(labels)} encoder frames of {name}, coloured by the pseudo-label of the clean "
        f"frame. {percent(kept)} % of the frames are nearest to the centroid of that label."
    )

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        rest = ~np.isin(labels, named)
        style = {"linewidths": 0, "rasterized": True}
        axes.scatter(*xy[rest].T, s=5, color=OTHERS, alpha=0.5, label="other", **style)
        for i, label in enumerate(named):
            mark = {"color": COLOURS[i], "marker": MARKERS[i], "label": str(label)}
            axes.scatter(*xy[labels == label].T, s=14, **mark, **style)
        axes.set_xlim(limits[0][0], limits[1][0])
        axes.set_ylim(limits[0][1], limits[1][1])
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=True, alpha=0.3)
        handles, texts = axes.get_legend_handles_labels()
        order = [*range(1, len(texts)), 0]
        figure.legend(
            [handles[i] for i in order], [texts[i] for i in order], title="pseudo-label",
            loc="outside lower center", ncols=4, fontsize=8, markerscale=1.4,
        )  # fmt: skip

    return draw(paint, alt, width=3.7, height=3.7)


def _number(value, digits: int) -> str:
    return MISSING if value is None else f"{value:.{digits}f}"
