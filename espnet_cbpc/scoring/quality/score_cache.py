# SPDX-License-Identifier: Apache-2.0
"""Values that earlier runs computed for the same files, kept beside the results."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Optional, Union

from espnet_cbpc.scoring.quality.measures import MEASURES, made_with
from espnet_cbpc.utils.files import atomic_write

Key = str  # both files: path, size in bytes, time of change in ns


def pair_key(ref: str, inf: str) -> Optional[Key]:
    """Return what tells a pair of files from others, and from its former self; None if missing."""
    try:
        stats = [(os.path.abspath(path), os.stat(path)) for path in (ref, inf)]
    except OSError:
        return None
    return json.dumps([[path, stat.st_size, stat.st_mtime_ns] for path, stat in stats])


class ScoreCache:
    """A file of JSON lines, to which each pair's values are added as soon as they are known.

    A run that was killed so loses no more than the pair it was at. Values made with other versions
    than the installed ones (:func:`.measures.made_with`) are not given again.
    """

    def __init__(self, path: Union[str, Path]):
        self.path = Path(path)
        self._pairs: dict[Key, dict[str, Any]] = {}
        for line in self._lines():
            self._merge(*line)

    def values(self, key: Optional[Key], names: Iterable[str]) -> dict[str, float]:
        """Return those of the asked measures that are known of a pair."""
        known = self._pairs[key]["values"] if key in self._pairs else {}
        return {
            name: known[name][0]
            for name in names
            if name in known and known[name][1] == made_with(name)
        }

    def rate(self, key: Optional[Key]) -> Optional[int]:
        """Return the sampling rate in Hz of a pair, None where nothing is known of it."""
        return self._pairs[key]["fs"] if key in self._pairs else None

    def add(self, key: Key, fs: int, values: dict[str, float]) -> None:
        """Keep the values of a pair."""
        stamped = {name: (value, made_with(name)) for name, value in values.items()}
        self._merge(key, fs, stamped)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as f:
            f.write("\n" + _line(key, fs, stamped))  # the line before may have been truncated

    def keep(self, keys: Iterable[Optional[Key]]) -> None:
        """Write the file again with these pairs alone."""
        kept = [(key, self._pairs[key]) for key in keys if key in self._pairs]
        with atomic_write(self.path) as f:
            f.writelines(_line(key, pair["fs"], pair["values"]) for key, pair in kept)

    def _merge(self, key: Key, fs: int, values: dict[str, tuple[float, str]]) -> None:
        pair = self._pairs.setdefault(key, {"fs": fs, "values": {}})
        pair["values"].update({name: v for name, v in values.items() if name in MEASURES})

    def _lines(self) -> Iterator[tuple[Key, int, dict[str, tuple[float, str]]]]:
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                stamped = entry["values"].items()
                values = {name: (float(value), str(stamp)) for name, (value, stamp) in stamped}
                yield str(entry["key"]), int(entry["fs"]), values
            except (ValueError, TypeError, KeyError, AttributeError):  # truncated, or damaged
                continue


def _line(key: Key, fs: int, values: dict[str, Any]) -> str:
    return json.dumps({"key": key, "fs": fs, "values": values}) + "\n"
