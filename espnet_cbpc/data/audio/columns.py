# SPDX-License-Identifier: Apache-2.0
"""Entries of tables such as ``wav.scp``: one audio file, or a file for each channel.

What is read here decides how ESPnet reads a table: as ``sound``, or as ``multi_columns_sound``.
"""

from collections.abc import Mapping

from espnet_cbpc.data.audio.audio_folder import SUFFIXES

SOUND, COLUMNS = "sound", "multi_columns_sound"


def columns(entry: str) -> list[str]:
    """Return the files of an entry: several where each word of it is the name of an audio file.

    Otherwise the entry is one path, which may hold blanks.
    """
    words = entry.split()
    if len(words) > 1 and all(word.lower().endswith(SUFFIXES) for word in words):
        return words
    return [entry]


def sound_type(entries: Mapping[str, str]) -> str:
    """Return the type by which ESPnet reads the recordings of a table."""
    return COLUMNS if any(len(columns(entry)) > 1 for entry in entries.values()) else SOUND
