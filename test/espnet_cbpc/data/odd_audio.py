# SPDX-License-Identifier: Apache-2.0
"""Audio files as other programs write them, made of those that libsndfile writes."""

import io
import struct

import numpy as np
import soundfile

FS = 8000


def speech(seconds=2.0, fs=FS, seed=0):
    """Return (samples,) of a tone that swells over a faint noise."""
    t = np.arange(round(seconds * fs)) / fs
    tone = 0.4 * np.sin(2 * np.pi * 440 * t) * np.sin(np.pi * t) ** 2
    return (tone + 0.005 * np.random.default_rng(seed).standard_normal(len(t))).astype(np.float32)


def encoded(samples, form="WAV", subtype=None, fs=FS, **options):
    """Return the bytes of a file."""
    out = io.BytesIO()
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with soundfile.SoundFile(out, "w", fs, channels, subtype, format=form, **options) as f:
        f.write(samples)
    return out.getvalue()


def decoded(content):
    """Return the samples of a file as libsndfile alone reads them."""
    return soundfile.read(io.BytesIO(content), dtype="float32")[0]


def mp3_without_length(samples, fs=44100, **options):
    """Return an MP3 file without the frame of silence that tells how many follow."""
    content = encoded(samples, "MP3", fs=fs, **options)
    # What tells frames apart: version, layer and sampling rate are those of all, the bit rate not.
    second = content.index(content[:2], 4)
    while (content[second + 2] & 0x0C) != (content[2] & 0x0C):
        second = content.index(content[:2], second + 1)
    return content[second:]


def flac_without_length(content):
    """Return a FLAC file whose header tells no number of samples, as if written to a pipe."""
    return content[:21] + bytes([content[21] & 0xF0]) + bytes(4) + content[26:]


def ogg_without_end(content):
    """Return an Ogg file whose last page does not say that it is the last."""
    last = content.rindex(b"OggS\0")
    page = bytearray(content[last:])
    page[5] &= ~4
    page[22:26] = bytes(4)
    page[22:26] = struct.pack("<I", _checksum(page))
    return content[:last] + bytes(page)


def _checksum(page):
    """Return the CRC of an Ogg page: polynomial 0x04C11DB7, neither reflected nor inverted."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 1 << 31 else crc << 1) & 0xFFFFFFFF
    return crc


def resized(content, place, size, form="<I"):
    """Return a file with another number, of a size, written at a place of its header."""
    number = struct.pack(form, size)
    return content[:place] + number + content[place + len(number) :]
