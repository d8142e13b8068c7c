# SPDX-License-Identifier: Apache-2.0
"""Curves of a training run, from the TensorBoard files that ESPnet writes."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from espnet_cbpc.html_report.figures import COLOURS, Picture, draw

Curve = dict[int, float]  # value by epoch
Curves = dict[str, dict[str, Curve]]  # by quantity and split
SPLITS = ("train", "valid")  # the first tells the epochs
EPOCH = "iter_epoch"  # ESPnet's tag that tells which epoch a step ends


def read_curves(expdir: Path) -> Curves:
    """Return what ESPnet recorded at the end of each epoch.

    TensorBoard's files hold the whole history of a training run, however often it was interrupted (a
    log file has its last part only), and are read without the models in checkpoint.pth.

    Args:
        expdir: folder of a training run.

    Returns:
        Quantity to split (``train``, ``valid``) to the mean over each epoch; without times, and
        without values that are not finite. Empty where there are no TensorBoard files.
    """
    curves: Curves = {}
    epochs: dict[int, int] = {}  # by the number of training steps, which validation has too
    for split in SPLITS:
        folder = expdir / "tensorboard" / split
        if not folder.is_dir():
            continue
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
        tags = events.Tags()["scalars"]
        if EPOCH in tags:
            epochs = {event.step: round(event.value) for event in events.Scalars(EPOCH)}
        for tag in tags:
            # The mean over the epoch comes last of what has its step.
            values = {epochs[e.step]: e.value for e in events.Scalars(tag) if e.step in epochs}
            curve = {epoch: v for epoch, v in sorted(values.items()) if math.isfinite(v)}
            if curve and not _is_dull(tag):
                curves.setdefault(tag, {})[split] = curve
    return curves


def is_main(quantity: str) -> bool:
    """Return whether a curve is one to see first: losses, learning rates, SNRs, error rates."""
    parts = quantity.split("_")
    return "loss" in parts or quantity.startswith(("optim", "cer", "wer", "acc")) or "snr" in parts


def plot(name: str, quantity: str, runs: Sequence[Mapping[str, Curve]]) -> Picture:
    """Draw one quantity of one or several runs of a training (seeds).

    Args:
        name: of the training, for the alternative text.
        quantity: its name in ESPnet's log.
        runs: split to curve of each run.
    """
    alt = f"Line plot of {quantity} by epoch, {name}. {_in_words(runs)}"
    return draw(lambda figure: _draw(figure, quantity, runs), alt, 3.1, 2.1)


def _draw(figure: Figure, quantity: str, runs: Sequence[Mapping[str, Curve]]) -> None:
    axes = figure.add_subplot()
    looks = {"train": (COLOURS[0], "o", "-"), "valid": (COLOURS[1], "s", "--")}
    for i, run in enumerate(runs):
        for split, curve in run.items():
            colour, marker, dashes = looks[split]
            axes.plot(
                list(curve), list(curve.values()), dashes, color=colour, marker=marker,
                markersize=3.5 if len(curve) <= 30 else 0, linewidth=1.3,
                label=split if i == 0 else None,
            )  # fmt: skip
    axes.set_title(quantity)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.grid(True)
    axes.legend(fontsize=8)


def _in_words(runs: Sequence[Mapping[str, Curve]]) -> str:
    sentences: list[str] = []
    for split, curve in runs[0].items():
        points = list(curve.items())
        (first, start), (last, end) = points[0], points[-1]
        sentences.append(f"{split}: {start:.4g} in epoch {first}, {end:.4g} in epoch {last}.")
    if len(runs) > 1:
        sentences.append(f"The numbers are of the first of {len(runs)} runs.")
    return " ".join(sentences)


def _is_dull(tag: str) -> bool:
    return tag == EPOCH or tag.endswith("_time") or tag in ("time", "loss_scale", "total_count")
