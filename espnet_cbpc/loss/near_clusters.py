"""What clusters that lie near one another mean to the losses: harder negatives, or half positives."""

import torch


class NearClusters:
    """As a mask: a negative counts ``exp(weight * cosine)`` times, of its cluster and the anchor's.

    With a positive weight, negatives of near clusters count more (hard negatives, after Robinson et
    al., "Contrastive Learning with Hard Negative Samples", 2021, who weigh by the frames'
    cosines); with a negative one, they count less.

    Args:
        weight: of the cosine.
        centroids: (K, D) unit vectors.
        labels: (M,) of the candidates.
        own: places of the anchors among them.
    """

    def __init__(self, weight: float, centroids: torch.Tensor, labels: torch.Tensor, own: slice):
        self.bonus = weight * (centroids @ centroids.T)  # (K, K)
        self.bonus.fill_diagonal_(0.0)
        self.labels, self.first = labels, own.start

    def __call__(self, similarities: torch.Tensor, rows: slice) -> None:
        """Add the logarithm of how often: m exp(s) = exp(s + log m)."""
        first = self.first + rows.start
        of_rows = self.labels[first : first + len(similarities)]
        similarities += self.bonus.to(similarities.dtype)[of_rows].index_select(1, self.labels)


def smoothed_targets(
    smoothing: float,
    temperature: float,
    centroids: torch.Tensor,
    candidates: torch.Tensor,
    labels: torch.Tensor,
) -> torch.Tensor:
    """Return for each cluster (K, D) the mean candidate that its anchors are pulled towards.

    A share of ``smoothing`` goes to the other clusters of the batch, by the softmax over their
    centroids' cosines over ``temperature``.
    """
    k = len(centroids)
    counts = labels.bincount(minlength=k).to(candidates.dtype)  # (K,)
    means = candidates.new_zeros(k, candidates.shape[1]).index_add_(0, labels, candidates)
    means /= counts.clamp(min=1.0)[:, None]
    scores = (centroids @ centroids.T) / temperature
    scores.fill_diagonal_(-torch.inf)
    scores[:, counts == 0] = -torch.inf
    shares = smoothing * scores.softmax(1).nan_to_num(0.0).to(means.dtype)
    shares += torch.diag(1.0 - shares.sum(1))
    return shares @ means
