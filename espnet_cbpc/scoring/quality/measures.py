# SPDX-License-Identifier: Apache-2.0
"""The measures of speech quality: their names, how tables show them, and how to choose among them."""

from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, Optional, Union

import espnet_cbpc
from espnet_cbpc.scoring.quality.composite import COMPOSITE
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.extras import missing_extra, missing_modules

NARROW_BAND, WIDE_BAND = 8000, 16000  # Hz, the sampling rates of PESQ
REVISION = 2  # of this package's own part; raise it where a change alters values


class Measure(NamedTuple):
    """How a measure is shown, and the package that it is computed by (besides this one)."""

    title: str
    digits: int
    package: Optional[str] = None


DNSMOS = {
    "DNSMOS_OVRL": Measure("DNSMOS OVRL", 2, "speechmos"),
    "DNSMOS_SIG": Measure("DNSMOS SIG", 2, "speechmos"),
    "DNSMOS_BAK": Measure("DNSMOS BAK", 2, "speechmos"),
    "DNSMOS_P808": Measure("DNSMOS P.808", 2, "speechmos"),
}
MEASURES: dict[str, Measure] = {
    "PESQ_NB": Measure("PESQ (narrow band)", 2, "pesq"),
    "PESQ_WB": Measure("PESQ (wide band)", 2, "pesq"),
    **{name: Measure(name, 2, "pesq") for name in COMPOSITE},
    "STOI": Measure("STOI", 3, "pystoi"),
    "ESTOI": Measure("ESTOI", 3, "pystoi"),
    "SI_SDR": Measure("SI-SDR (dB)", 2),
    "SDR": Measure("SDR (dB)", 2),
    "SEGSNR": Measure("segmental SNR (dB)", 2),
    **DNSMOS,
}
EXTRAS = {"pesq": "pesq", "speechmos": "dnsmos"}  # of packages that are not always there
SETS = {"DNSMOS": tuple(DNSMOS)}  # names that stand for several
DEFAULT, ALL = "default", "all"


def score_file(folder: Union[str, Path], measure: str) -> Path:
    """Return where the scores of a set have a measure of each utterance."""
    return Path(folder) / f"{measure}_spk1"


def pesq_band(fs: int) -> str:
    """Return which PESQ goes with a sampling rate of ``fs`` Hz."""
    return "PESQ_NB" if fs == NARROW_BAND else "PESQ_WB"


def chosen_measures(names: Iterable[str], fs: int) -> tuple[str, ...]:
    """Return the measures that are asked for.

    Args:
        names: of measures; ``DNSMOS``: its four; ``default``: those that are quick, with one PESQ;
            ``all``: all that can be computed here.
        fs: sampling rate in Hz of the speech.

    Returns:
        Names in the order of ``MEASURES``.

    Raises:
        UserError: no such measure, wide-band PESQ of 8 kHz speech, or a package is missing.
    """
    wanted: set[str] = set()
    for name in names:
        if name in (DEFAULT, ALL):
            wanted |= _computable(fs, name == ALL)
            continue
        members = SETS.get(name, (name,))
        _check(name, members[0], fs)
        wanted |= set(members)
    chosen = tuple(name for name in MEASURES if name in wanted)
    for name in chosen:
        _check_installed(name)
    return chosen


@cache
def made_with(name: str) -> str:
    """Return the versions that a measure's values depend on."""
    package = MEASURES[name].package
    own = f"espnet_cbpc {espnet_cbpc.__version__}/{REVISION}"
    return f"{own}, {package} {version(package)}" if package else own


def _computable(fs: int, everything: bool) -> set[str]:
    names = set(MEASURES) - set(DNSMOS)
    if everything:
        names = {name for name in MEASURES if not _missing(name)[1]}
    without = {"PESQ_WB" if fs == NARROW_BAND else "PESQ_NB"}
    return names - (without if not everything or fs == NARROW_BAND else set())


def _check(name: str, first: str, fs: int) -> None:
    if first not in MEASURES:
        known = ", ".join([DEFAULT, ALL, *SETS, *MEASURES])
        raise UserError(f"unknown measure '{name}': choose from {known}")
    if first == "PESQ_WB" and fs == NARROW_BAND:
        raise UserError(f"PESQ_WB is not defined for speech of {fs} Hz: ask for PESQ_NB")


def _check_installed(measure: str) -> None:
    extra, missing = _missing(measure)
    if missing:
        told = missing_extra(measure, extra, *missing)
        raise UserError(f"{told}, or name other measures")


def _missing(measure: str) -> tuple[str, list[str]]:
    """Return the extra that a measure needs, '' for none, and what of it is not installed."""
    extra = EXTRAS.get(MEASURES[measure].package or "", "")
    return extra, missing_modules(extra) if extra else []
