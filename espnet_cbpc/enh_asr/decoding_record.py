"""What has been decoded so far, and with which settings."""

import json
import logging
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Union

from espnet_cbpc.utils.files import atomic_write, file_digest


class DecodingRecord:
    """A file of JSON lines: the settings, then the results of one finished batch a line.

    A record that was made with other settings counts as empty, and a line that was cut off when
    its run was killed as absent.

    Args:
        path: the file, which need not be there.
        settings: everything that decides the results, as JSON has it.

    Attributes:
        results: by utterance id, what :meth:`Recognition.as_dict` of
            :mod:`espnet_cbpc.enh_asr.recognition` gives.
    """

    def __init__(self, path: Path, settings: Mapping):
        self.path = path
        self.settings = json.loads(json.dumps(settings))
        self.results: Dict[str, Any] = self._read() if path.exists() else {}

    def _read(self) -> Dict[str, Any]:
        results: Dict[str, Any] = {}
        with open(self.path, encoding="utf-8") as f:
            header = f.readline()
            if not header.endswith("\n") or json.loads(header) != self.settings:
                logging.warning("%s: made with other settings, decoding anew", self.path)
                return {}
            for line in f:
                if line.endswith("\n"):
                    results.update(json.loads(line))
        return results

    def open(self) -> None:
        """Write the record afresh, with the results that it has."""
        with atomic_write(self.path) as f:
            f.writelines(_line(entry) for entry in (self.settings, self.results))

    def add(self, results: Mapping[str, Any]) -> None:
        """Append the results of a batch."""
        with open(self.path, "a", encoding="utf-8") as f:
            f.write(_line(results))
        self.results.update(results)


def _line(entry: Mapping) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"


def file_hashes(files: Mapping[str, Optional[Union[str, Path]]]) -> Dict[str, str]:
    """Return the SHA-256 of every file that is not None, by its name."""
    return {name: file_digest(path) for name, path in files.items() if path is not None}
