# SPDX-License-Identifier: Apache-2.0
"""Where the frames of enhanced speech lie among the clusters of clean speech: numbers and a map."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Union

import numpy as np

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import atomic_write

COMPONENTS = 50  # of the PCA before t-SNE, as its authors do
SILHOUETTE_FRAMES = 2000  # its time is quadratic in the frames


@dataclass(frozen=True)
class EmbeddingMap:
    """Frames of several systems, the same ones of each, on one map.

    Attributes:
        names: of the systems, S.
        labels: (N,) int64, the pseudo-label of each frame's clean speech.
        frames: (S, N, D) float16 encoder frames.
        xy: (S, N, 2) float32 places on the map.
        kept: (S,) share of all frames whose nearest centroid is that of their clean frame.
        silhouette: (S,) mean silhouette of the frames, clustered by ``labels``; nan where it is
            undefined.
        source: what the frames are of, in words.
    """

    names: list[str]
    labels: np.ndarray
    frames: np.ndarray
    xy: np.ndarray
    kept: np.ndarray
    silhouette: np.ndarray
    source: str

    def save(self, path: Union[str, Path]) -> None:
        """Write a compressed npz file."""
        with atomic_write(path, "wb") as f:
            np.savez_compressed(f, **vars(self))

    @classmethod
    def load(cls, path: Union[str, Path]) -> "EmbeddingMap":
        """Read what :meth:`save` wrote.

        Raises:
            UserError: no such file, or something else.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                values = {name: arrays[name] for name in cls.__dataclass_fields__}
        except (OSError, ValueError, KeyError, EOFError) as e:
            raise UserError(
                f"{path}: not an embedding map ({e!r}): make it with espnet_cbpc.bin.map_embeddings"
            ) from e
        return cls(**{**values, "names": values["names"].tolist(), "source": str(values["source"])})


def map_frames(
    frames: Mapping[str, np.ndarray],
    labels: np.ndarray,
    centroids: np.ndarray,
    source: str = "",
    max_frames: int = 400,
    seed: int = 0,
) -> EmbeddingMap:
    """Count frames that lie where they should, and map a part of them.

    All systems' frames are projected together, by PCA and t-SNE (van der Maaten and Hinton, JMLR 9,
    2008), so that their maps are parts of one.

    Args:
        frames: system to its (T, D) frames, frame t of each from the same place in the speech.
        labels: (T,) labels in [0, K) of the clean speech.
        centroids: (K, D) of the tokenizer.
        source: what the frames are of.
        max_frames: frames of each system on the map, N at most, drawn at random.
        seed: of the draw and the projection.

    Raises:
        UserError: frames of systems that differ in number or dimension, or fewer than ten.
    """
    shapes = {name: h.shape for name, h in frames.items()}
    if any(shape != (len(labels), centroids.shape[1]) for shape in shapes.values()):
        raise UserError(
            f"frames of {len(labels)} labels and centroids of {centroids.shape[1]} dimensions, but "
            f"{shapes}: all systems must have the tokenizer's encoder and the same speech"
        )
    if len(labels) < 10:
        raise UserError(f"{len(labels)} frame(s) are too few for a map: use more utterances")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(labels), min(max_frames, len(labels)), replace=False))
    part = np.stack([h[chosen] for h in frames.values()])  # (S, N, D)
    return EmbeddingMap(
        names=list(frames),
        labels=labels[chosen],
        frames=part.astype(np.float16),
        xy=_project(part.reshape(-1, part.shape[-1]), seed).reshape(*part.shape[:2], 2),
        kept=np.array([np.mean(_nearest(h, centroids) == labels) for h in frames.values()]),
        silhouette=np.array([_silhouette(h, labels, rng) for h in frames.values()]),
        source=source,
    )


def _nearest(h: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    # argmin |h - c|^2 = argmax h.c - |c|^2 / 2
    return (h @ centroids.T - np.square(centroids).sum(1) / 2).argmax(1)


def _project(h: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.decomposition import PCA  # slow to import
    from sklearn.manifold import TSNE

    components = min(COMPONENTS, *h.shape)
    h = PCA(components, random_state=seed).fit_transform(h.astype(np.float64))
    perplexity = min(30.0, (len(h) - 1) / 3)
    tsne = TSNE(init="pca", perplexity=perplexity, random_state=seed)
    return tsne.fit_transform(h).astype(np.float32)


def _silhouette(h: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> float:
    from sklearn.metrics import silhouette_score  # slow to import

    chosen = rng.choice(len(h), min(SILHOUETTE_FRAMES, len(h)), replace=False)
    distinct = len(np.unique(labels[chosen]))
    if not 1 < distinct < len(chosen):
        return float("nan")
    return float(silhouette_score(h[chosen], labels[chosen]))


def most_frequent(labels: np.ndarray, count: int) -> np.ndarray:
    """Return the ``count`` most frequent labels, or all if there are fewer."""
    values, sizes = np.unique(labels, return_counts=True)
    return values[np.argsort(-sizes, kind="stable")[:count]]
