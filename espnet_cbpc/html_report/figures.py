# SPDX-License-Identifier: Apache-2.0
"""Plots as images embedded in the page, which follow its light or dark colours."""

import base64
import re
from dataclasses import dataclass
from io import BytesIO
from typing import Callable, Optional
from urllib.parse import quote

import matplotlib
from matplotlib.figure import Figure  # without pyplot: no display, no state that outlives the call
from PIL import Image  # which matplotlib needs

INK = "#123456"  # stands for the page's text colour until the plot is an SVG
STYLE = {
    "font.size": 9,
    "font.sans-serif": ["DejaVu Sans"],  # each text of an SVG names all that are here
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.parse_math": False,  # names hold what they hold
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text, a third of the size
    "svg.hashsalt": "espnet_cbpc",  # the same plot gives the same file
}
# Distinct under the common kinds of colour blindness, on white and on black: of Okabe and Ito
# (https://jfly.uni-koeln.de/color/) all but black and yellow.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # one more than colours: 42 pairs
DASHES = ("-", "--", ":")
THEME = "<style>svg{color:#1b1f24}@media (prefers-color-scheme:dark){svg{color:#e6e8eb}}</style>"


@dataclass(frozen=True)
class Picture:
    """An image for the page.

    Attributes:
        uri: the image itself, as a data URI.
        alt: what it shows, in words.
        width: in CSS pixels.
        height: in CSS pixels.
    """

    uri: str
    alt: str
    width: int
    height: int


def data_uri(media_type: str, content: bytes) -> str:
    """Return a ``data:`` URI (RFC 2397) that holds ``content``."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def draw(
    paint: Callable[[Figure], None],
    alt: str,
    width: float = 4.2,
    height: float = 2.9,
) -> Picture:
    """Return a plot as an SVG image.

    Args:
        paint: draws into an empty figure of constrained layout.
        alt: what the plot shows.
        width: in inches of 96 CSS pixels. 4.2 is about the width of a phone, where it is read as
            it is; wider ones are shrunk there, text and all.
        height: in inches.
    """
    stream = BytesIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        paint(figure)
        figure.savefig(stream, format="svg", transparent=True, dpi=150, metadata=nothing)
    svg = stream.getvalue().decode()
    start = svg.index(">", svg.index("<svg")) + 1
    svg = svg[:start] + THEME + svg[start:].replace(INK, "currentColor")
    svg = re.sub('(?<="data:image/png;base64,)[^"]+', _with_fewer_colours, svg)
    # Percent-encoded: as base64, images in the SVG would be in base64 twice.
    uri = "data:image/svg+xml," + quote(svg, safe=" /:;,=+()!*~@$?")
    return Picture(uri, alt, round(96 * width), round(96 * height))


def _with_fewer_colours(found: "re.Match[str]") -> str:
    """Return a PNG in base64 with a palette, a third of the size."""
    image = Image.open(BytesIO(base64.b64decode(found[0])))
    stream = BytesIO()
    image.quantize(256, Image.Quantize.FASTOCTREE).save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()


def look(index: int) -> dict[str, str]:
    """Return colour, marker and line style of the ``index``-th system, everywhere in the page."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index // len(COLOURS) % len(DASHES)],
    }


def per_cent(rate: Optional[float]) -> float:
    """Return a share of 1 in percent for a plot, which leaves nan out; nan for None."""
    return float("nan") if rate is None else 100 * rate
