# SPDX-License-Identifier: Apache-2.0
"""K-means on a stream of frames: a uniform sample, clusters of the sample, mini-batch passes."""

import logging
from collections.abc import Iterable, Iterator
from typing import Callable

import numpy as np
import torch

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.extras import needs_extra
from espnet_cbpc.utils.progress import progress

SEEDING_FRAMES = 50  # a cluster, for k-means++; more take longer and end no better
TOLERANCE = 1e-4  # of the centroids' squared movement, relative to the variance of the frames
BLOCK_FRAMES = 10_000  # whose scores are held at a time
DEAD_FRAMES = 100  # a cluster; one that got none of the last n_clusters times as many is dead
REPORTS = 4  # a pass


def reservoir_sample(
    features: Iterable[np.ndarray], size: int, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Draw a uniform sample of the frames of a stream (algorithm R, Vitter 1985).

    Args:
        features: iterable of (T, D) arrays or tensors.
        size: largest size of the sample.
        rng: random generator.

    Returns:
        (n, D) float32, n <= ``size``, and how many frames the stream had.

    Raises:
        UserError: see :func:`checked`.
    """
    sample, seen = np.zeros((0, 0), np.float32), 0
    for h in checked(_shown(features, "sample frames")):
        if not seen:
            sample = np.empty((size, h.shape[1]), np.float32)  # the pages are taken as they fill
        slots = reservoir_slots(seen, len(h), size, rng)
        kept = slots < size
        sample[slots[kept]] = h[kept]  # of rows that fall on one slot, the last stays
        seen += len(h)
    return sample[: min(seen, size)], seen


def reservoir_slots(seen: int, count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return where each of the next ``count`` rows goes; a slot >= ``size`` means nowhere."""
    index = np.arange(seen, seen + count)
    return np.where(index < size, index, rng.integers(0, index + 1))


def checked(features: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield each utterance's frames as a float32 array; utterances without frames are left out.

    Raises:
        UserError: not (T, D) with one D for all, or frames that are not finite.
    """
    dim = None
    for i, h in enumerate(features):
        if isinstance(h, torch.Tensor):
            h = h.detach().float().cpu()
        h = np.asarray(h, dtype=np.float32)
        if h.ndim != 2 or (dim is not None and h.shape[1] != dim):
            wanted = ("T", "D" if dim is None else dim)
            raise UserError(f"features of utterance {i} are {h.shape}, but must be {wanted}")
        finite = np.isfinite(h)
        if not finite.all():
            bad = int((~finite).any(1).sum())
            raise UserError(
                f"features of utterance {i} have {bad} of {len(h)} frames with nan or inf"
            )
        dim = h.shape[1]
        if len(h):
            yield h


def batches(features: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Yield the frames of a stream in (size, D) arrays, the last one shorter.

    Each array is overwritten by the next.
    """
    buffer, filled = np.zeros((0, 0), np.float32), 0
    for h in checked(features):
        if not buffer.size:
            buffer = np.empty((size, h.shape[1]), np.float32)
        while len(h):
            part, h = h[: size - filled], h[size - filled :]
            buffer[filled : filled + len(part)] = part
            filled += len(part)
            if filled == size:
                yield buffer
                filled = 0
    if filled:
        yield buffer[:filled]


def assign(x: torch.Tensor, centroids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each frame's nearest centroid and its squared distance to it, both (n,).

    Args:
        x: (n, D) frames; memory is n x K floats.
        centroids: (K, D).
    """
    # argmin |x - c|^2 = argmax x.c - |c|^2 / 2
    best, labels = (x @ centroids.T - centroids.square().sum(1) / 2).max(1)
    return labels, (x.square().sum(1) - 2 * best).clamp_min(0)


def accumulate(x: torch.Tensor, labels: torch.Tensor, n_clusters: int) -> torch.Tensor:
    """Return the sum of each cluster's frames, (K, D), the same at every call."""
    sums = x.new_zeros(n_clusters, x.shape[1])
    if not x.is_cuda:
        return sums.index_add_(0, labels, x)
    for block, q in zip(x.split(BLOCK_FRAMES), labels.split(BLOCK_FRAMES)):
        # a matrix product, since index_add_ adds in any order there
        sums += torch.nn.functional.one_hot(q, n_clusters).T.to(x.dtype) @ block
    return sums


def cluster_sample(
    sample: np.ndarray,
    n_clusters: int,
    rng: np.random.Generator,
    n_init: int = 1,
    backend: str = "sklearn",
    device: str = "cpu",
    iterations: int = 300,
) -> np.ndarray:
    """Cluster frames in memory: k-means++ (Arthur and Vassilvitskii 2007), then Lloyd's iteration.

    The seeding is our own for every backend: scikit-learn's works in float64, and takes longer.

    Args:
        sample: (n, D) float32, n >= K; its mean is taken off and added again.
        n_clusters: K.
        rng: random generator.
        n_init: how many seedings are tried; that of the least inertia wins.
        backend: one of ``BACKENDS``.
        device: where the seeding, ``faiss`` and ``torch`` work.
        iterations: largest number of Lloyd's iterations.

    Returns:
        (K, D) float32 centroids.

    Raises:
        UserError: the backend is unknown or not installed.
    """
    if backend not in BACKENDS:
        raise UserError(f"backend is {backend}: use one of {', '.join(BACKENDS)}")
    best = np.inf
    for _ in range(n_init):
        few = min(len(sample), SEEDING_FRAMES * n_clusters)
        seeding = torch.from_numpy(sample[rng.choice(len(sample), few, replace=False)])
        seeds = plus_plus(seeding.to(device), n_clusters, rng)
        found, inertia = BACKENDS[backend](sample, seeds, rng, iterations)
        logging.info(
            "%d clusters of a sample of %d frames by %s: inertia %.5g a frame",
            n_clusters,
            len(sample),
            backend,
            inertia / len(sample),
        )
        if inertia < best:
            best, centroids = inertia, found
    return centroids


def _sklearn(
    sample: np.ndarray, seeds: torch.Tensor, rng: np.random.Generator, iterations: int
) -> tuple[np.ndarray, float]:
    from sklearn.cluster import KMeans  # slow to import, and needed here only

    kmeans = KMeans(
        len(seeds),
        init=seeds.cpu().numpy(),
        n_init=1,
        max_iter=iterations,
        tol=TOLERANCE,
        copy_x=False,
    ).fit(sample)
    return kmeans.cluster_centers_, kmeans.inertia_


def _faiss(
    sample: np.ndarray, seeds: torch.Tensor, rng: np.random.Generator, iterations: int
) -> tuple[np.ndarray, float]:
    with needs_extra("the backend faiss", "faiss"):
        import faiss
    kmeans = faiss.Kmeans(
        sample.shape[1],
        len(seeds),
        niter=iterations,
        seed=int(rng.integers(2**31)),
        gpu=seeds.is_cuda,
        min_points_per_centroid=1,
        max_points_per_centroid=len(sample),  # the sample is small enough already
    )
    kmeans.train(sample, init_centroids=seeds.cpu().numpy())
    return kmeans.centroids, float(kmeans.obj[-1])


def _torch(
    sample: np.ndarray, seeds: torch.Tensor, rng: np.random.Generator, iterations: int
) -> tuple[np.ndarray, float]:
    x = torch.from_numpy(sample).to(seeds.device)
    centroids, n_clusters = seeds, len(seeds)
    tolerance = TOLERANCE * float(x.var(0, correction=0).mean())
    for _ in range(iterations):
        labels, distances = _assign_blocks(x, centroids)
        counts = torch.bincount(labels, minlength=n_clusters)
        moved = accumulate(x, labels, n_clusters) / counts.clamp_min(1)[:, None]
        empty = counts == 0
        moved[empty] = draw_far(x, distances, centroids[empty], rng)
        movement = float((moved - centroids).square().sum())
        centroids = moved
        if movement <= tolerance:
            break
    return centroids.cpu().numpy(), float(_assign_blocks(x, centroids)[1].sum())


BACKENDS: dict[str, Callable[..., tuple[np.ndarray, float]]] = {
    "sklearn": _sklearn,
    "faiss": _faiss,
    "torch": _torch,
}


def plus_plus(x: torch.Tensor, n_clusters: int, rng: np.random.Generator) -> torch.Tensor:
    """Draw first centroids by k-means++, each the best of a few candidates, (K, D).

    Args:
        x: (n, D) frames.
        n_clusters: K.
        rng: random generator.
    """
    generator = torch.Generator(x.device).manual_seed(int(rng.integers(2**31)))
    candidates = 2 + int(np.log(n_clusters))
    norms = x.square().sum(1)
    nearest = torch.ones_like(norms)  # the first is drawn uniformly
    centroids = []
    for k in range(n_clusters):
        # where every frame is a centroid already, any will do
        weights = nearest + torch.finfo(nearest.dtype).tiny
        drawn = torch.multinomial(weights, candidates, replacement=True, generator=generator)
        distances = (norms[drawn, None] + norms - 2 * x[drawn] @ x.T).clamp_min(0)
        if k:
            distances = torch.minimum(distances, nearest)
        best = distances.sum(1).argmin()
        nearest = distances[best]
        centroids.append(x[drawn[best]])
    return torch.stack(centroids)


def draw_far(
    x: torch.Tensor, distances: torch.Tensor, centroids: torch.Tensor, rng: np.random.Generator
) -> torch.Tensor:
    """Return new places for centroids without frames: frames drawn as in k-means++.

    Args:
        x: (n, D) frames.
        distances: (n,) squared distances to their centroids, which the drawing is weighted by.
        centroids: (m, D) to be moved; those for which no frame off its centroid is left, stay.
        rng: random generator.

    Returns:
        (m, D)
    """
    p = distances.double().cpu().numpy()
    far = min(len(centroids), int((p > 0).sum()))
    moved = centroids.clone()
    if far:
        rows = rng.choice(len(p), far, replace=False, p=p / p.sum())
        moved[:far] = x[torch.from_numpy(rows).to(x.device)]
    return moved


def _assign_blocks(x: torch.Tensor, centroids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    labels, distances = zip(*(assign(block, centroids) for block in x.split(BLOCK_FRAMES)))
    return torch.cat(labels), torch.cat(distances)


class MiniBatchKMeans:
    """Centroids that follow a stream by mini-batches (Sculley 2010).

    A centroid is the mean of the frames that it got: it moves to each of them by 1 / count. A
    cluster that got none of the last ``DEAD_FRAMES`` x K frames moves to one that is drawn by
    squared distance, as in k-means++.

    Args:
        centroids: (K, D) to start from.
        sample: (n, D) frames that they were found on; each cluster's count begins with those of
            its frames.
        rng: random generator.
        device: where to work.

    Attributes:
        centroids: (K, D) tensor.
        counts: (K,) frames of each cluster so far.
    """

    def __init__(
        self, centroids: np.ndarray, sample: np.ndarray, rng: np.random.Generator, device: str
    ):
        self.centroids = torch.from_numpy(centroids).to(device, copy=True)
        self.rng = rng
        n_clusters = len(centroids)
        self.counts = torch.zeros(n_clusters, dtype=torch.int64, device=device)
        for start in range(0, len(sample), BLOCK_FRAMES):
            block = torch.from_numpy(sample[start : start + BLOCK_FRAMES]).to(device)
            self.counts += assign(block, self.centroids)[0].bincount(minlength=n_clusters)
        self._idle = torch.zeros_like(self.counts)  # frames since the last of each cluster

    def update(self, batch: np.ndarray) -> float:
        """Move the centroids towards a batch (n, D); return its inertia before that."""
        x = torch.from_numpy(batch).to(self.centroids.device)
        n_clusters = len(self.centroids)
        labels, distances = assign(x, self.centroids)
        counts = labels.bincount(minlength=n_clusters)
        sums = accumulate(x, labels, n_clusters)
        self.counts += counts
        rate = 1 / self.counts.clamp_min(1)[:, None]
        self.centroids += rate * (sums - counts[:, None] * self.centroids)
        self._idle = torch.where(counts > 0, 0, self._idle + len(x))
        self._revive(x, distances)
        return float(distances.sum(dtype=torch.float64))

    def _revive(self, x: torch.Tensor, distances: torch.Tensor) -> None:
        dead = self._idle >= DEAD_FRAMES * len(self.centroids)
        count = int(dead.sum())
        if count:
            self.centroids[dead] = draw_far(x, distances, self.centroids[dead], self.rng)
            self.counts[dead] = 1
            self._idle[dead] = 0
            logging.info("%d dead cluster(s) moved to distant frames", count)

    def run(self, features: Iterable[np.ndarray], batch_frames: int, total: int, name: str) -> None:
        """Pass over a stream once, and log inertia and drift on the way.

        Args:
            features: iterable of (T, D) arrays or tensors.
            batch_frames: frames of a batch.
            total: frames of the stream.
            name: of the pass, for the log.
        """
        seen, since, inertia, before = 0, 0, 0.0, self.centroids.clone()
        for batch in batches(_shown(features, name), batch_frames):
            inertia += self.update(batch)
            since += len(batch)
            seen += len(batch)
            if since * REPORTS >= total or seen == total:
                drift = float((self.centroids - before).square().sum(1).mean().sqrt())
                logging.info(
                    "%s: %d of %d frames, inertia %.5g a frame, centroids moved by %.3g (rms)",
                    name,
                    seen,
                    total,
                    inertia / since,
                    drift,
                )
                since, inertia, before = 0, 0.0, self.centroids.clone()


def _shown(features: Iterable[np.ndarray], desc: str) -> Iterable[np.ndarray]:
    return progress(features, desc) if hasattr(features, "__len__") else features
