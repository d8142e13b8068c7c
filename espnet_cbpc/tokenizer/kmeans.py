# SPDX-License-Identifier: Apache-2.0
"""K-means on ASR encoder outputs as an acoustic tokenizer."""

from collections.abc import Iterable
from pathlib import Path
from typing import Optional

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from espnet_cbpc.tokenizer.abs_acoustic_tokenizer import AbsAcousticTokenizer
from espnet_cbpc.tokenizer.clustering import (
    MiniBatchKMeans,
    checked,
    cluster_sample,
    reservoir_sample,
)
from espnet_cbpc.tokenizer.position_means import PositionMeans, WithoutPositions
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import PathLike, atomic_write


class KMeansTokenizer(AbsAcousticTokenizer):
    """Labels a frame with the index of its nearest centroid (squared Euclidean distance).

    Clustering the outputs of the ASR encoder with K-means is what Lee and Kim (Sensors
    24(8):2573, 2024) name; the number of clusters, the layer and the way of fitting are ours.

    The centroids (K, D) are a float buffer, so that a model's checkpoint holds them; they stay
    zero until they are fitted or loaded.

    Args:
        n_clusters: number of labels, K.
        feature_dim: number of dimensions of a frame, D.
        positions: of how many positions in an utterance the mean frame is taken out first, see
            :class:`.PositionMeans`; 0: of none.
    """

    def __init__(self, n_clusters: int = 100, feature_dim: int = 256, positions: int = 0):
        super().__init__()
        self.register_buffer("centroids", torch.zeros(n_clusters, feature_dim))
        self.positions = PositionMeans(feature_dim, positions) if positions else None

    @property
    def n_clusters(self) -> int:
        """Number of labels, K."""
        return len(self.centroids)

    @property
    def feature_dim(self) -> int:
        """Number of dimensions of a frame, D."""
        return int(self.centroids.shape[1])

    @property
    def sizes(self) -> dict[str, int]:
        """Keyword arguments that build an empty tokenizer of the same size."""
        sizes = {"n_clusters": self.n_clusters, "feature_dim": self.feature_dim}
        return {**sizes, "positions": len(self.positions.sums)} if self.positions else sizes

    @property
    def fitted(self) -> bool:
        """Whether the centroids have been set."""
        return bool(self.centroids.any())

    @property
    def mean(self) -> torch.Tensor:
        """The mean of the centroids, each counting once, (D,)."""
        return self.centroids.mean(0)

    def seen(self, h: torch.Tensor) -> torch.Tensor:
        """Return (..., T, D) frames as they are compared with the centroids."""
        return h if self.positions is None else self.positions(h)

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
            scores = self.seen(h.float()) @ centroids.T - centroids.square().sum(1) / 2  # (B, T, K)
        times = torch.arange(h.shape[1], device=h.device)
        padding = times >= lengths.to(h.device)[:, None]
        return scores.argmax(2).masked_fill(padding, -1)

    def label(self, h: np.ndarray) -> np.ndarray:
        """Label one utterance.

        Args:
            h: (T, D) float32 encoder outputs.

        Returns:
            (T,) int64 labels in [0, K).

        Raises:
            UserError: frames of another dimension.
        """
        if h.shape[1] != self.feature_dim:
            raise UserError(
                f"the tokenizer labels frames of {self.feature_dim} dimensions, and these have "
                f"{h.shape[1]}: take the features of the encoder and layer that it was fitted on"
            )
        return self(torch.from_numpy(h)[None], torch.tensor([len(h)]))[0].numpy()

    @classmethod
    def fit(
        cls,
        features: Iterable[np.ndarray],
        n_clusters: int = 100,
        seed: int = 0,
        max_frames: Optional[int] = None,
        n_init: int = 3,
        passes: int = 1,
        batch_frames: int = 10_000,
        backend: Optional[str] = None,
        device: str = "cpu",
        positions: int = 0,
    ) -> "KMeansTokenizer":
        """Fit on a stream of features in bounded memory.

        One pass draws a uniform sample, whose clusters are found in memory. Where the features can
        be iterated again (a list, or an object whose ``__iter__`` restarts; not a generator) and
        are more than the sample, mini-batch passes over all of them follow. The same seed and
        stream give the same centroids.

        Args:
            features: iterable of (T, D) arrays or tensors, one per utterance.
            n_clusters: number of labels, K.
            seed: of the sample, the seeding and the re-seeding of dead clusters.
            max_frames: size of the sample; memory is ``max_frames`` x D floats. None:
                :func:`sample_size`.
            n_init: how many seedings of the sample's clusters are tried.
            passes: mini-batch passes.
            batch_frames: frames of a mini-batch; memory is ``batch_frames`` x K floats.
            backend: ``sklearn``, ``faiss`` or ``torch`` for the clusters of the sample. None:
                scikit-learn on a CPU, torch on a GPU.
            device: where the passes work, and the backend where it can.
            positions: of how many positions the mean frame is taken out first, found by a pass of
                its own.

        Raises:
            UserError: an option out of range, positions of a stream that cannot start again, no more
                frames than clusters, frames of unequal dimension, or non-finite.
        """
        size = sample_size(n_clusters) if max_frames is None else max_frames
        _check_at_least("n_clusters", n_clusters, 1)
        _check_at_least("max_frames", size, n_clusters)
        _check_at_least("n_init", n_init, 1)
        _check_at_least("passes", passes, 0)
        _check_at_least("batch_frames", batch_frames, 1)
        _check_at_least("positions", positions, 0)
        means = None
        if positions:
            if iter(features) is features:
                raise UserError("positions: the features must be iterable again: give a list")
            means = PositionMeans.of(checked(features), positions)
            if means is not None:
                features = WithoutPositions(features, means)
        rng = np.random.default_rng(seed)
        sample, seen = reservoir_sample(features, size, rng)
        if seen < n_clusters:
            raise UserError(
                f"cannot fit {n_clusters} clusters on {seen} frames: "
                "use more speech or a smaller n_clusters"
            )
        backend = backend or ("sklearn" if device == "cpu" else "torch")
        more = passes > 0 and seen > len(sample) and iter(features) is not features
        iterations = 30 if more else 300  # the passes do the rest
        centroids = cluster_sample(sample, n_clusters, rng, n_init, backend, device, iterations)
        if more:
            kmeans = MiniBatchKMeans(centroids, sample, rng, device)
            for i in range(passes):
                kmeans.run(features, batch_frames, seen, f"pass {i + 1} of {passes}")
            centroids = kmeans.centroids.cpu().numpy()
        tokenizer = cls(*centroids.shape)
        tokenizer.centroids.copy_(torch.from_numpy(centroids))
        tokenizer.positions = means
        return tokenizer

    def save(self, path: PathLike) -> None:
        """Write all buffers to a safetensors file."""
        tensors = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        blob = save(tensors, {"tokenizer": "kmeans"})
        with atomic_write(path, "wb") as f:
            f.write(blob)

    @classmethod
    def load(cls, path: PathLike) -> "KMeansTokenizer":
        """Read what :meth:`save` wrote.

        Raises:
            UserError: there is no such file, or it is not a K-means tokenizer.
        """
        if not Path(path).is_file():
            raise UserError(
                f"{path}: no such tokenizer file: give another path, or make one with "
                "espnet_cbpc.bin.fit_tokenizer"
            )
        try:
            with safe_open(path, framework="pt") as f:
                if (f.metadata() or {}).get("tokenizer") != "kmeans":
                    raise UserError(f"{path}: not a K-means tokenizer made by this package")
                tensors = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118
        except SafetensorError as e:
            raise UserError(f"{path}: not a readable safetensors file ({e}): fit it again") from e
        positions = len(tensors["positions.counts"]) if "positions.counts" in tensors else 0
        n_clusters, feature_dim = tensors["centroids"].shape
        tokenizer = cls(n_clusters, feature_dim, positions)
        tokenizer.load_state_dict(tensors)
        return tokenizer


def sample_size(n_clusters: int) -> int:
    """Return how many frames are enough to find ``n_clusters`` first centroids well.

    The mini-batch passes do not leave the basin that the sample's clusters lie in: with 100 frames
    a cluster 500 clusters ended 0.9 % above K-means on 200,000 frames, with 300 a cluster 0.1 %.
    """
    return min(200_000, max(50_000, 300 * n_clusters))


def _check_at_least(name: str, value: int, least: int) -> None:
    if not isinstance(value, int) or value < least:
        raise UserError(f"{name} is {value}: must be a whole number of at least {least}")
