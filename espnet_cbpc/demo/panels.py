# SPDX-License-Identifier: Apache-2.0
"""What the page shows, as HTML: speech, results, and errors."""

from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from espnet_cbpc.demo.differences import compared
from espnet_cbpc.html_report.clips import RANGE, audio_uri, spectrogram_pictures, without_clipping
from espnet_cbpc.html_report.error_plots import plot
from espnet_cbpc.html_report.page import PACKAGE as REPORT
from espnet_cbpc.scoring.report import tables
from espnet_cbpc.scoring.report.by_property import from_results
from espnet_cbpc.scoring.report.results import read_results
from espnet_cbpc.scoring.report.wording import origin_note
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import PathLike

NOISY = "noisy"


def speech_panel(noisy: np.ndarray, heard: np.ndarray, fs: int, texts: tuple, share: float) -> str:
    """Show noisy and enhanced speech side by side: spectrogram, player and text.

    Args:
        noisy: (N,) samples.
        heard: (N,) enhanced samples, with a share of the noisy ones.
        fs: sampling rate in Hz.
        texts: what is recognised in each of the two.
        share: of the noisy speech.
    """
    enhanced = f"enhanced, with {100 * share:.0f} % noisy speech" if share else "enhanced"
    waves = without_clipping({NOISY: noisy, enhanced: heard})
    pictures = spectrogram_pictures({n: (wave, fs) for n, wave in waves.items()}, "this recording")
    found = compared(*texts)
    clips = [
        {"name": name, "picture": pictures[name], "audio": audio_uri(wave, fs), "text": text}
        for (name, wave), text in zip(waves.items(), found)
    ]
    return _rendered("speech.html", clips=clips, differences=found.places, range=RANGE)


def results_panel(path: PathLike) -> str:
    """Show the tables and plots of a report's ``results.json``.

    Raises:
        UserError: it is something else. The message has the name of the file without its folder.
    """
    try:
        results = read_results(path)
    except UserError as e:
        raise UserError(str(e).replace(str(path), Path(path).name)) from e
    splits = [
        from_results(results, results["systems"], name, breakdown)
        for breakdown in results["breakdowns"]
        for name in results["sets"]
    ]
    plotted = [(split, plot(split)) for split in splits if len(split.values) > 1]
    note = origin_note(results)
    return _rendered("results.html", results=results, tables=tables, note=note, splits=plotted)


def problem_panel(problem: str) -> str:
    """Show an error, also to users of screen readers."""
    return _rendered("problem.html", problem=problem)


def _rendered(template: str, **values: Any) -> str:
    loader = ChoiceLoader([PackageLoader("espnet_cbpc.demo"), PackageLoader(REPORT)])
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
