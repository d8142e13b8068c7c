# SPDX-License-Identifier: Apache-2.0
"""What has been decoded so far, and with which settings."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from espnet_cbpc.utils.files import PathLike, atomic_write, file_digest


class DecodingRecord:
    """A file of JSON lines: the settings, then the results of one finished batch a line.

    A record that was made with other settings counts as empty. A line that was cut off when its run
    was killed, or that is damaged, counts as absent, and so does what was decoded of other audio.

    Args:
        path: the file, which need not be there.
        settings: everything that decides the results but the audio, as JSON has it.
        inputs: by utterance id, what its audio is, as JSON has it.

    Attributes:
        results: by utterance id, what :meth:`DecodedUtterance.as_dict` of
            :mod:`espnet_cbpc.inference.decoded_utterance` gives.
    """

    def __init__(self, path: Path, settings: Mapping, inputs: Mapping[str, Any]):
        self.path = path
        self.settings = json.loads(json.dumps(settings))
        self.inputs = json.loads(json.dumps(inputs))
        found = self._read() if path.exists() else {}
        self.results: dict[str, Any] = {
            u: r for u, r in found.items() if u in inputs and r.get("input") == self.inputs[u]
        }

    def _read(self) -> dict[str, Any]:
        results: dict[str, Any] = {}
        with open(self.path, encoding="utf-8", errors="replace") as f:
            if _parsed(f.readline()) != self.settings:
                logging.warning("%s: made with other settings, decoding again", self.path)
                return {}
            for number, line in enumerate(f, 2):
                entry = _parsed(line)
                if entry is None:
                    logging.warning("%s: line %d is damaged, decoding it again", self.path, number)
                results.update(entry or {})
        return results

    def open(self) -> None:
        """Write the record from scratch, with the results that it has."""
        with atomic_write(self.path) as f:
            f.writelines(_line(entry) for entry in (self.settings, self.results))

    def add(self, results: Mapping[str, Any]) -> None:
        """Append the results of a batch."""
        results = {u: {**result, "input": self.inputs[u]} for u, result in results.items()}
        with open(self.path, "a", encoding="utf-8") as f:
            f.write(_line(results))
        self.results.update(results)


def _parsed(line: str) -> Optional[dict[str, Any]]:
    """Return what a whole line holds, None of a damaged one."""
    try:
        entry = json.loads(line) if line.endswith("\n") else None
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _line(entry: Mapping) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"


def file_hashes(files: Mapping[str, Optional[PathLike]]) -> dict[str, str]:
    """Return the SHA-256 of every file that is not None, by its name."""
    return {name: file_digest(path) for name, path in files.items() if path is not None}
