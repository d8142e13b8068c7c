# SPDX-License-Identifier: Apache-2.0
"""Encoder features on disk: chunk files of a fixed number of utterances, written and streamed."""

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import PathLike, atomic_write

Features = Iterable[tuple[str, np.ndarray]]
REMEDY = "run dump_encoder_features again"


class FeatureWriter:
    """Writes the features of a list of utterances to a folder, and resumes where a run ended.

    ``features.json`` says what the features are of; ``chunk.00000.safetensors`` and so on hold
    (T, D) float16 arrays by utterance id. A folder that holds features of something else is
    emptied of them.

    Args:
        directory: where to write.
        wavs: utterance ids and paths, sorted by id.
        settings: everything else that decides the features, as JSON has it.
        num_per_chunk: utterances of a chunk, which are held in memory.

    Attributes:
        todo: the chunks that are still missing, or not whole.
    """

    def __init__(
        self,
        directory: PathLike,
        wavs: Mapping[str, str],
        settings: Mapping[str, Any],
        num_per_chunk: int = 200,
    ):
        if num_per_chunk < 1:
            raise UserError(f"--num_per_chunk is {num_per_chunk}: must be at least 1")
        self.directory = Path(directory)
        self.wavs, self.num_per_chunk = wavs, num_per_chunk
        self._utterances = list(wavs)
        self._start(
            {
                **settings,
                "inputs": hashlib.sha256(json.dumps(list(wavs.items())).encode()).hexdigest(),
                "utterances": len(wavs),
                "num_per_chunk": num_per_chunk,
            }
        )
        chunks = range(_chunk_count(len(wavs), num_per_chunk))
        self.todo = [i for i in chunks if not self._is_whole(i)]

    def _start(self, fingerprint: dict[str, Any]) -> None:
        for leftover in self.directory.glob(".chunk.*"):  # of a run that was killed
            leftover.unlink()
        path = self.directory / "features.json"
        content = json.dumps(fingerprint, indent=2)
        if path.exists():
            if path.read_text(encoding="utf-8") == content:
                return
            logging.warning(
                "%s: holds features of other speech, another model or layer, or other "
                "chunks: dumping again",
                self.directory,
            )
        for chunk in self.directory.glob("chunk.*.safetensors"):
            chunk.unlink()
        with atomic_write(path) as f:
            f.write(content)

    def _ids(self, i: int) -> list[str]:
        return self._utterances[i * self.num_per_chunk : (i + 1) * self.num_per_chunk]

    def _is_whole(self, i: int) -> bool:
        try:
            with safe_open(_chunk(self.directory, i), framework="np") as f:
                return set(f.keys()) == set(self._ids(i))
        except (SafetensorError, OSError):
            return False

    @property
    def left(self) -> int:
        """How many utterances are to do."""
        return sum(len(self._ids(i)) for i in self.todo)

    def run(self, features: Callable[[Mapping[str, str]], Features]) -> Iterator[str]:
        """Write the chunks that are to do.

        Args:
            features: function of the ids and paths of one chunk: an iterable of id and (T, D).

        Yields:
            Each utterance's id, once its features are stored.

        Raises:
            UserError: features that float16 cannot hold.
        """
        for i in self.todo:
            ids = self._ids(i)
            arrays = {u: _half(u, h) for u, h in features({u: self.wavs[u] for u in ids})}
            with atomic_write(_chunk(self.directory, i), "wb") as f:
                f.write(save(arrays))
            yield from ids


def _half(utterance: str, h: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        half = h.astype(np.float16)
    bad = int((~np.isfinite(half)).any(1).sum())
    if bad:
        raise UserError(
            f"{utterance}: {bad} of {len(h)} frames of the encoder are nan or too large for "
            "float16: check the ASR model, or use another layer"
        )
    return half


class StoredFeatures:
    """The features in one or several folders, read chunk by chunk, as often as needed.

    Args:
        directories: made by :class:`FeatureWriter`.
        seed: of the order of the chunks, the same at every pass; None keeps theirs.

    Attributes:
        settings: what decided the features, as :class:`FeatureWriter` was given it.

    Raises:
        UserError: a folder is no store, or not a complete one, or two are of different settings.
    """

    def __init__(self, directories: Iterable[PathLike], seed: Optional[int] = None):
        self.seed = seed
        self._chunks: list[Path] = []
        self._utterances = 0
        for i, directory in enumerate(map(Path, directories)):
            utterances, num_per_chunk, settings = _read_fingerprint(directory)
            if not i:
                self.settings, first = settings, directory
            elif settings != self.settings:
                raise UserError(
                    f"{directory}: features of another model or layer than those in {first}: "
                    f"{REMEDY}, for both"
                )
            chunks = [_chunk(directory, i) for i in range(_chunk_count(utterances, num_per_chunk))]
            missing = [c.name for c in chunks if not c.is_file()]
            if missing:
                raise UserError(
                    f"{directory}: {len(missing)} of {len(chunks)} chunk(s) of features are "
                    f"missing ({listed(missing)}): {REMEDY}"
                )
            self._chunks += chunks
            self._utterances += utterances

    def __len__(self) -> int:
        return self._utterances

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield each utterance's id and its features, (T, D) float32."""
        order = np.arange(len(self._chunks))
        if self.seed is not None:
            np.random.default_rng(self.seed).shuffle(order)
        for i in order:
            yield from _read_chunk(self._chunks[i])


class StoredFrames:
    """The arrays of :class:`StoredFeatures` without the ids, as often as needed."""

    def __init__(self, features: StoredFeatures):
        self.features = features

    def __len__(self) -> int:
        return len(self.features)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (h for _, h in self.features)


def _chunk(directory: Path, i: int) -> Path:
    return directory / f"chunk.{i:05d}.safetensors"


def _chunk_count(utterances: int, num_per_chunk: int) -> int:
    return -(-utterances // num_per_chunk)


def _read_fingerprint(directory: Path) -> tuple[int, int, dict[str, Any]]:
    path = directory / "features.json"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        del settings["inputs"]
        return settings.pop("utterances"), settings.pop("num_per_chunk"), settings
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise UserError(f"{path}: not the start of a store of features ({e!r}): {REMEDY}") from e


def _read_chunk(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    try:
        with safe_open(path, framework="np") as f:
            for utterance in sorted(f.keys()):
                yield utterance, f.get_tensor(utterance).astype(np.float32)
    except (SafetensorError, OSError) as e:
        raise UserError(f"{path}: not a readable chunk of features ({e}): {REMEDY}") from e
