# SPDX-License-Identifier: Apache-2.0
"""Short audio clips, and their spectrograms, for the page."""

from collections.abc import Mapping
from io import BytesIO

import numpy as np
import soundfile
from matplotlib import colormaps
from matplotlib.figure import Figure

from espnet_cbpc.html_report.figures import Picture, data_uri, draw

WINDOW = 0.032  # seconds
HOP = 0.008
MOST_COLUMNS = 360  # of a spectrogram, about as many as a phone has pixels
RANGE = 70  # dB from the loudest point down to black
STEPS = 28  # colours: what the eye tells apart, and small files
COLOURS = "magma"


def audio_uri(wave: np.ndarray, fs: int) -> str:
    """Return a clip as a data URI: FLAC, without loss at 16 bits, which every browser plays.

    Args:
        wave: (N,) samples in [-1, 1].
        fs: sampling rate in Hz.
    """
    stream = BytesIO()
    soundfile.write(stream, wave, fs, format="FLAC", subtype="PCM_16")
    return data_uri("audio/flac", stream.getvalue())


def without_clipping(waves: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Scale clips by one gain, so that none leaves [-1, 1]."""
    peak = max(1.0, max(float(np.abs(wave).max(initial=0.0)) for wave in waves.values()))
    return {name: wave / peak for name, wave in waves.items()}


def spectrogram(wave: np.ndarray, fs: int) -> np.ndarray:
    """Return the power of a clip, (F, T) in dB, at most ``MOST_COLUMNS`` columns."""
    size = 2 * round(WINDOW * fs / 2)
    hop = max(round(HOP * fs), -(-len(wave) // MOST_COLUMNS))
    padded = np.pad(wave.astype(np.float64), size // 2)  # frame t is around sample t x hop
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[: len(wave) : hop]
    spectra = np.fft.rfft(frames * np.hanning(size + 1)[:-1])
    return 10 * np.log10(np.square(np.abs(spectra)).T + 1e-12)


def spectrogram_pictures(
    waves: Mapping[str, tuple[np.ndarray, int]], what: str
) -> dict[str, Picture]:
    """Draw the spectrograms of several clips on one dB scale, 0 at the loudest point of all.

    Args:
        waves: name to samples and sampling rate.
        what: what is heard, for the alternative texts.
    """
    levels = {name: spectrogram(*wave) for name, wave in waves.items()}
    loudest = max(float(level.max()) for level in levels.values())
    pictures = {}
    for name, (wave, fs) in waves.items():
        seconds = len(wave) / fs
        alt = (
            f"Spectrogram of {name}, {what}: {seconds:.1f} s, 0 to {fs / 2000:g} kHz; its loudest "
            f"point is at {levels[name].max() - loudest:.0f} dB, its mean level in time and "
            f"frequency at {levels[name].mean() - loudest:.0f} dB."
        )
        extent = (0, seconds, 0, fs / 2000)
        pictures[name] = _picture(levels[name] - loudest, extent, alt)
    return pictures


def scale_picture() -> Picture:
    """Draw the colours of the spectrograms with their dB."""

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        ramp = np.linspace(-RANGE, 0, STEPS)[None]
        axes.imshow(ramp, aspect="auto", extent=(-RANGE, 0, 0, 1), **_colours())
        axes.set(yticks=[], xlabel="dB relative to the loudest point of the example")

    alt = f"Colour scale from black, {-RANGE} dB and below, to light yellow, 0 dB."
    return draw(paint, alt, width=3.7, height=0.65)


def _picture(level: np.ndarray, extent: tuple[float, float, float, float], alt: str) -> Picture:
    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.imshow(level, origin="lower", aspect="auto", extent=extent, **_colours())
        axes.set(xlabel="time (s)", ylabel="frequency (kHz)")

    return draw(paint, alt, width=3.7, height=1.9)


def _colours() -> dict:
    cmap = colormaps[COLOURS].resampled(STEPS)
    return {"cmap": cmap, "vmin": -RANGE, "vmax": 0, "interpolation": "none"}
