# SPDX-License-Identifier: Apache-2.0
"""The report of an experiment as one self-contained HTML file."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Optional, Union

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from espnet_cbpc.html_report import (
    error_plots,
    overview_plot,
    tokenizer_plots,
    training_curves,
)
from espnet_cbpc.html_report.clips import scale_picture
from espnet_cbpc.html_report.decoded_set import DecodedSet
from espnet_cbpc.html_report.embedding_map import EmbeddingMap
from espnet_cbpc.html_report.examples import make_example, utterance_table
from espnet_cbpc.html_report.figures import Picture, data_uri
from espnet_cbpc.html_report.selection import choose, worst_and_best
from espnet_cbpc.scoring.report import tables
from espnet_cbpc.scoring.report.by_property import ByProperty, from_results
from espnet_cbpc.scoring.report.finding import opening
from espnet_cbpc.scoring.report.results import Results, read_results
from espnet_cbpc.scoring.report.wording import origin_note
from espnet_cbpc.scoring.wer.text_normalizer import NONE
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import atomic_write

PathLike = Union[str, Path]
Folders = Mapping[str, Sequence[Path]]
PACKAGE = "espnet_cbpc.html_report"


def write_page(
    results: PathLike,
    output: PathLike,
    systems: Folders,
    data_root: PathLike,
    experiments: Optional[Folders] = None,
    tokenizer: Optional[PathLike] = None,
    embedding_map: Optional[PathLike] = None,
    breakdowns: Sequence[str] = (),
    examples: bool = True,
    rows: int = 8,
    max_seconds: float = 8.0,
    seed: int = 0,
) -> None:
    """Write the page.

    Args:
        results: the ``results.json`` of :func:`espnet_cbpc.scoring.report.gather.write_report`.
        output: the HTML file.
        systems: some or all of the results' systems, each with its inference folders (one per
            training seed): those that are plotted. The last one is the one whose utterances are
            looked at.
        data_root: folder of the sets.
        experiments: name of each training to its folders (one per seed), whose curves are drawn.
        tokenizer: folder that fit_tokenizer has written.
        embedding_map: file of :mod:`espnet_cbpc.bin.map_embeddings`.
        breakdowns: ``utt2*`` tables to split WER by where a set has them, beside those of the
            results.
        examples: whether audio is read for examples.
        rows: of the tables of the worst and the best utterances.
        max_seconds: of the audio of an example.
        seed: of the choice of examples.

    Raises:
        UserError: a file or folder that is named is missing or malformed.
    """
    found = read_results(results, systems)
    _check_there(found["sets"], systems, Path(data_root), experiments or {})
    utt2 = list(dict.fromkeys([*found["breakdowns"], *breakdowns]))
    block = found["bootstrap"]["block"]
    utt2s = utt2 if block is None else [*utt2, block]
    normalizer = found.get("text_normalizer", NONE)
    folders = (Path(data_root) / name for name in found["sets"])
    sets = [DecodedSet.read(folder, systems, utt2s, normalizer) for folder in folders]
    focus = list(systems)[-1]
    worst, best = worst_and_best(sets, focus, rows)
    chosen = choose(sets, focus, seed) if examples else []
    page = _template().render(
        results=found,
        tables=tables,
        opening=opening(found),
        overview=overview_plot.plot(found),
        origin_note=origin_note(found),
        splits=_splits(found, sets, utt2),
        trainings=[_training(name, dirs) for name, dirs in (experiments or {}).items()],
        tokenizer=None if tokenizer is None else _tokenizer(Path(tokenizer)),
        embedding_map=None if embedding_map is None else _map(Path(embedding_map)),
        examples=[make_example(choice, systems, utt2, max_seconds) for choice in chosen],
        examples_wanted=examples,
        scale=scale_picture(),
        focus=focus,
        several_seeds=[name for name, folders in systems.items() if len(folders) > 1],
        worst=utterance_table(f"Highest WER of {focus}", worst, focus, utt2),
        best=utterance_table(f"Lowest WER of {focus}", best, focus, utt2),
        style=(files(PACKAGE) / "templates" / "style.css").read_text(encoding="utf-8"),
    )
    with atomic_write(output) as f:
        f.write(page)


def _training(name: str, folders: Sequence[Path]) -> dict[str, Any]:
    """Draw the curves of a training run, those to see first and others; an imported model has none."""
    runs = [training_curves.read_curves(folder) for folder in folders]
    pictures: dict[bool, list[Picture]] = {True: [], False: []}
    for quantity in sorted({quantity for run in runs for quantity in run}):
        curves = [run[quantity] for run in runs if quantity in run]
        picture = training_curves.plot(name, quantity, curves)
        pictures[training_curves.is_main(quantity)].append(picture)
    return {"name": name, "main": pictures[True], "others": pictures[False]}


def _tokenizer(folder: Path) -> dict[str, Any]:
    """Show what fit_tokenizer found out about the clusters; ``overview`` is its own large picture."""
    quality = tokenizer_plots.read_cluster_quality(folder)
    pictures = [tokenizer_plots.plot_sizes(quality)]
    if quality.get("noise_stability") is not None:
        pictures.append(tokenizer_plots.plot_stability(quality))
    png = folder / "quality.png"
    overview = data_uri("image/png", png.read_bytes()) if png.exists() else None
    table = tokenizer_plots.quality_table(quality)
    return {"table": table, "pictures": pictures, "overview": overview}


def _map(path: Path) -> dict[str, Any]:
    """Draw a map of frames: its panels by name, the numbers, and what the frames are of."""
    found = EmbeddingMap.load(path)
    panels, table = tokenizer_plots.map_panels(found), tokenizer_plots.map_table(found)
    return {"panels": panels, "table": table, "source": found.source}


def _splits(
    results: Results, sets: Sequence[DecodedSet], breakdowns: Sequence[str]
) -> list[tuple[ByProperty, Picture]]:
    """Return WER by each property that has several values, and its plot."""
    found = []
    for breakdown in breakdowns:
        for decoded in sets:
            split = from_results(results, decoded.scores, decoded.name, breakdown)
            if len(split.values) < 2:
                split = error_plots.with_scores(split, decoded, results["bootstrap"])
            found.append(split)
    return [(split, error_plots.plot(split)) for split in found if len(split.values) > 1]


def _check_there(
    sets: Sequence[str], systems: Folders, data_root: Path, experiments: Folders
) -> None:
    """Name all that is missing at once."""
    wanted = [data_root / name / "text" for name in sets]
    for folders in systems.values():
        wanted += [folder / name / "text" for folder in folders for name in sets]
    wanted += [folder for folders in experiments.values() for folder in folders]
    missing = [path for path in wanted if not path.exists()]
    if missing:
        raise UserError(
            f"{len(missing)} file(s) or folder(s) missing ({listed(missing)}): run this in the "
            "recipe's directory, with its folders, once all systems have decoded the sets"
        )


def _template() -> Template:
    return Environment(
        loader=PackageLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("page.html")
