"""K-means on ASR encoder outputs as an acoustic tokenizer."""

from pathlib import Path
from typing import Dict, Iterable, Tuple, Union

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from espnet_cbpc.tokenizer.abs_acoustic_tokenizer import AbsAcousticTokenizer
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import atomic_write


class KMeansTokenizer(AbsAcousticTokenizer):
    """Labels a frame with the index of its nearest centroid (squared Euclidean distance).

    Clustering the outputs of the ASR encoder with K-means is what Lee and Kim (Sensors
    24(8):2573, 2024) name; the number of clusters, the layer and the way of fitting are ours.

    The centroids (K, D) are a float buffer, so that a model's checkpoint holds them; they stay
    zero until they are fitted or loaded.

    Args:
        n_clusters: number of labels, K.
        feature_dim: number of dimensions of a frame, D.
    """

    def __init__(self, n_clusters: int = 100, feature_dim: int = 256):
        super().__init__()
        self.register_buffer("centroids", torch.zeros(n_clusters, feature_dim))

    @property
    def n_clusters(self) -> int:
        """Number of labels, K."""
        return self.centroids.shape[0]

    @property
    def feature_dim(self) -> int:
        """Number of dimensions of a frame, D."""
        return self.centroids.shape[1]

    @property
    def sizes(self) -> Dict[str, int]:
        """Keyword arguments that build an empty tokenizer of the same size."""
        return {"n_clusters": self.n_clusters, "feature_dim": self.feature_dim}

    @property
    def fitted(self) -> bool:
        """Whether the centroids have been set."""
        return bool(self.centroids.any())

    @property
    def mean(self) -> torch.Tensor:
        """The mean of the centroids, each counting once, (D,)."""
        return self.centroids.mean(0)

    @torch.no_grad()
    def forward(self, h: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Label frames, in float32 even under autocast.

        Args:
            h: (B, T, D) encoder outputs.
            lengths: (B,) valid frames of each utterance.

        Returns:
            (B, T) int64 labels in [0, K); -1 on padding.
        """
        with torch.autocast(h.device.type, enabled=False):
            # argmin |h - c|^2 = argmax h.c - |c|^2 / 2: a matrix product, no (B, T, K, D) array
            centroids = self.centroids.float()
            scores = h.float() @ centroids.T - centroids.square().sum(1) / 2  # (B, T, K)
        times = torch.arange(h.shape[1], device=h.device)
        padding = times >= lengths.to(h.device)[:, None]
        return scores.argmax(2).masked_fill(padding, -1)

    @classmethod
    def fit(
        cls,
        features: Iterable[np.ndarray],
        n_clusters: int = 100,
        seed: int = 0,
        max_frames: int = 200_000,
        n_init: int = 1,
    ) -> "KMeansTokenizer":
        """Fit on a stream of features, in one pass and bounded memory.

        A uniform reservoir sample of at most ``max_frames`` frames (Vitter 1985) is clustered by
        scikit-learn's KMeans with k-means++ seeding, the best of ``n_init`` starts.

        Args:
            features: iterable of (T, D) arrays or CPU tensors, one an utterance.
            n_clusters: number of labels, K.
            seed: of the sample and of the seeding.
            max_frames: size of the sample; memory is ``max_frames`` x D floats.
            n_init: how many seedings are tried.

        Raises:
            UserError: no more frames than clusters, frames of unequal dimension, or non-finite.
        """
        from sklearn.cluster import KMeans  # slow to import, and needed here only

        sample = reservoir_sample(features, max_frames, np.random.default_rng(seed))
        if len(sample) < n_clusters:
            raise UserError(
                f"cannot fit {n_clusters} clusters on {len(sample)} frames: "
                "use more speech or a smaller n_clusters"
            )
        kmeans = KMeans(n_clusters, n_init=n_init, random_state=seed).fit(sample)
        tokenizer = cls(n_clusters, sample.shape[1])
        tokenizer.centroids.copy_(torch.from_numpy(kmeans.cluster_centers_))
        return tokenizer

    def save(self, path: Union[str, Path]) -> None:
        """Write the centroids to a safetensors file."""
        blob = save({"centroids": self.centroids.contiguous()}, {"tokenizer": "kmeans"})
        with atomic_write(path, "wb") as f:
            f.write(blob)

    @classmethod
    def load(cls, path: Union[str, Path]) -> "KMeansTokenizer":
        """Read what :meth:`save` wrote.

        Raises:
            UserError: there is no such file, or it is not a K-means tokenizer.
        """
        if not Path(path).is_file():
            raise UserError(f"{path}: no such tokenizer file: run stage 11 or give another path")
        try:
            with safe_open(path, framework="pt") as f:
                if (f.metadata() or {}).get("tokenizer") != "kmeans":
                    raise UserError(f"{path}: not a K-means tokenizer made by this package")
                centroids = f.get_tensor("centroids")
        except SafetensorError as e:
            raise UserError(f"{path}: not a readable safetensors file ({e}): fit it again") from e
        tokenizer = cls(*centroids.shape)
        tokenizer.centroids.copy_(centroids)
        return tokenizer


def reservoir_sample(
    features: Iterable[np.ndarray], size: int, rng: np.random.Generator
) -> np.ndarray:
    """Return a uniform sample of at most ``size`` rows of a stream of (T, D) arrays, (n, D)."""
    sample, seen = np.zeros((0, 0), np.float32), 0
    for i, h in enumerate(features):
        h = np.asarray(h, dtype=np.float32)
        check_features(h, i, sample.shape[1] if seen else None)
        if not seen:
            sample = np.empty((size, h.shape[1]), np.float32)  # the pages are taken as they fill
        slots = reservoir_slots(seen, len(h), size, rng)
        for row in np.flatnonzero(slots < size):
            sample[slots[row]] = h[row]
        seen += len(h)
    return sample[: min(seen, size)]


def reservoir_slots(seen: int, count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return where each of the next ``count`` rows goes; a slot >= ``size`` means nowhere."""
    index = np.arange(seen, seen + count)
    return np.where(index < size, index, rng.integers(0, index + 1))


def check_features(h: np.ndarray, i: int, dim: Union[int, None]) -> None:
    """Raise UserError unless ``h`` is a finite (T, D) array of ``dim`` dimensions (if given)."""
    if h.ndim != 2 or (dim is not None and h.shape[1] != dim):
        wanted: Tuple = ("T", dim if dim is not None else "D")
        raise UserError(f"features of utterance {i} are {h.shape}, but must be {wanted}")
    if not np.isfinite(h).all():
        bad = int((~np.isfinite(h)).any(1).sum())
        raise UserError(f"features of utterance {i} have {bad} of {len(h)} frames with nan or inf")
