# SPDX-License-Identifier: Apache-2.0
"""Log-sum-exp of scaled dot products, and its gradient, without the matrix of dot products.

``sum_i w_i log sum_j exp(x_i . y_j / temperature)`` is what every contrastive loss subtracts its
positive term from. Held whole, the matrix grows with the square of the number of frames; here it is
made one block at a time. The weights w_i are known beforehand, so value and gradient come from one
visit of the rows: with e_ij = exp(x_i . y_j / temperature) and z_i = sum_j e_ij, the gradient for
x_i is w_i / z_i * sum_j e_ij y_j / temperature, and for y_j sum_i w_i / z_i * e_ij x_i / temperature.
That is three N x N x D products, where a backward pass that makes the block again has four. Where
x and y are one, e is symmetric: only the tiles above the diagonal are made, once for z and once for
the gradient, which comes to two products; some tiles are kept between the two, all of them in a
batch of ordinary size, and then it is one and a half.
"""

import math
from collections import deque
from collections.abc import Iterator
from typing import Callable, NamedTuple, Optional

import torch

from espnet_cbpc.loss.ranks import Ranks

# Elements of a block of rows (16 MiB in float32): small enough to stay out of the way, large
# enough that the matrix products run at full speed.
BLOCK_ELEMENTS = 4 * 1024 * 1024
# Rows and columns of a tile of a symmetric matrix: two of them stay in a cache of a few MiB, and
# the smaller they are, the less of the diagonal ones is made in vain.
CPU_TILE = 512
# Elements of tiles that are kept (48 MiB in float32).
KEPT_ELEMENTS = 12 * 1024 * 1024
# On a GPU a tile is one launch of each kernel.
CUDA_TILE = 2048

# Excludes pairs: sets elements of the block of similarities to -inf, whose rows are this slice.
Mask = Callable[[torch.Tensor, slice], None]


class Sums(NamedTuple):
    """The row-wise ``log sum_j exp`` (n,), and the gradients of its weighted sum."""

    lse: torch.Tensor
    grad_x: Optional[torch.Tensor]
    grad_y: Optional[torch.Tensor]


def is_bounded(temperature: float, dtype: torch.dtype) -> bool:
    """Return whether ``exp`` of any cosine over ``temperature`` may be taken and summed as it is."""
    # e^14 leaves room for sums of a million.
    return 1.0 / temperature <= math.log(torch.finfo(dtype).max) - 14.0


@torch.no_grad()
def logsumexp_of_rows(
    x: torch.Tensor,
    y: torch.Tensor,
    weight: torch.Tensor,
    temperature: float,
    mask: Optional[Mask] = None,
    wants_x: bool = True,
    wants_y: bool = True,
) -> Sums:
    """Return ``log sum_j exp(x_i . y_j / temperature)``, and gradients of its weighted sum.

    Args:
        x: (n, D) anchors, unit vectors.
        y: (m, D) candidates, unit vectors.
        weight: (n,) of the rows in the sum; 0 for a row that has no candidate.
        temperature: divides every dot product; > 0.
        mask: excludes pairs.
        wants_x: whether the gradient for ``x`` is made, (n, D).
        wants_y: whether the gradient for ``y`` is made, (m, D).

    Returns:
        ``lse`` is -inf for a row without any candidate.
    """
    bounded = is_bounded(temperature, x.dtype)
    x = x / temperature
    lse = x.new_empty(len(x))
    grad_x = torch.empty_like(x) if wants_x else None
    grad_y = torch.zeros_like(y) if wants_y else None
    size = max(1, BLOCK_ELEMENTS // max(1, len(y)))
    for rows in blocks(len(x), size):
        e = x[rows] @ y.T  # (size, m)
        if mask is not None:
            mask(e, rows)
        if bounded:
            largest = e.new_zeros(len(e))
        else:
            largest = e.amax(1) if e.shape[1] else e.new_zeros(len(e))
            largest = torch.where(largest == -torch.inf, 0.0, largest)
            e.sub_(largest[:, None])
        z = e.exp_().sum(1)
        lse[rows] = z.log() + largest
        share = row_shares(weight[rows], z)[:, None]
        if grad_x is not None:
            torch.mm(e, y, out=grad_x[rows]).mul_(share / temperature)
        if grad_y is not None:
            grad_y.addmm_(e.T, x[rows] * share)  # x is divided by the temperature already
    return Sums(lse, grad_x, grad_y)


@torch.no_grad()
def logsumexp_of_pairs(
    x: torch.Tensor,
    weight: torch.Tensor,
    temperature: float,
    ranks: Ranks,
    wants_gradient: bool = True,
) -> Sums:
    """Return ``log sum_{j != i} exp(x_i . x_j / temperature)`` over the rows of all processes.

    Args:
        x: (n, D) unit vectors of this process.
        weight: (n,) of its rows in the sum; 0 for a row that has no candidate.
        temperature: divides every dot product; > 0.
        ranks: all processes.
        wants_gradient: whether gradients are made.

    Returns:
        ``lse`` (n,) of this process's rows; ``grad_x`` (n, D) of the sum over all processes.
    """
    if not is_bounded(temperature, x.dtype):
        return _safe_logsumexp_of_pairs(x, weight, temperature, ranks, wants_gradient)
    x = x / math.sqrt(temperature)
    others = ranks.others(x)
    y = torch.cat([x, others]) if len(others) else x
    size = min(CPU_TILE if x.device.type == "cpu" else CUDA_TILE, max(1, len(y)))
    buffer, factors = x.new_empty(2, size * size)
    kept: deque[torch.Tensor] = deque()
    room = KEPT_ELEMENTS if wants_gradient else 0
    z = x.new_zeros(len(x))
    for rows, columns, mirrored in tiles(len(x), len(y), size):
        room -= size * size
        e = tile_of_exponentials(y, rows, columns, buffer if room < 0 else torch.empty_like(buffer))
        if room >= 0:
            kept.append(e)
        z[rows] += e.sum(1)
        if mirrored:
            z[columns] += e.sum(0)
    if not wants_gradient:
        return Sums(z.log(), None, None)

    share = row_shares(weight, z)
    shares = torch.cat([share, ranks.others(share)])
    grad = torch.zeros_like(x)
    for rows, columns, mirrored in tiles(len(x), len(y), size):
        e = kept.popleft() if kept else tile_of_exponentials(y, rows, columns, buffer)
        factor = factors[: e.numel()].view_as(e)
        torch.add(shares[rows, None], shares[None, columns], out=factor)
        e.mul_(factor)
        grad[rows].addmm_(e, y[columns])
        if mirrored:
            grad[columns].addmm_(e.T, y[rows])
    return Sums(z.log(), grad.div_(math.sqrt(temperature)), None)


def _safe_logsumexp_of_pairs(
    x: torch.Tensor, weight: torch.Tensor, temperature: float, ranks: Ranks, wants_gradient: bool
) -> Sums:
    """Do the same by whole rows with their maximum taken out first, as low temperatures need."""
    lse, grad_x, grad_y = logsumexp_of_rows(
        x,
        ranks.gather(x),
        weight,
        temperature,
        exclude_self(ranks.own.start),
        wants_gradient,
        wants_gradient,
    )
    if wants_gradient:
        grad_x += ranks.total(grad_y)[ranks.own]
    return Sums(lse, grad_x, None)


def row_shares(weight: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Return ``weight / z``, and 0 for a row without candidates."""
    return weight / torch.where(z > 0, z, torch.ones_like(z))


def tile_of_exponentials(
    y: torch.Tensor, rows: slice, columns: slice, buffer: torch.Tensor
) -> torch.Tensor:
    """Fill ``buffer`` with ``exp(y[rows] @ y[columns].T)``, 0 on the diagonal of the whole."""
    n, m = rows.stop - rows.start, columns.stop - columns.start
    e = torch.mm(y[rows], y[columns].T, out=buffer[: n * m].view(n, m)).exp_()
    if rows == columns:
        e.fill_diagonal_(0.0)
    return e


def tiles(own: int, total: int, size: int) -> Iterator[tuple[slice, slice, bool]]:
    """Cover the first ``own`` rows of a symmetric matrix of ``total`` columns.

    Yields:
        Rows, columns, and whether the transposed tile lies in those rows too; that one is left out.
    """
    square = list(blocks(own, size))
    for i, rows in enumerate(square):
        yield rows, rows, False
        for columns in square[i + 1 :]:
            yield rows, columns, True
        for columns in blocks(total, size, own):
            yield rows, columns, False


def blocks(stop: int, size: int, start: int = 0) -> Iterator[slice]:
    """Cut ``start`` to ``stop`` into slices of ``size``, the last of them shorter."""
    for begin in range(start, stop, size):
        yield slice(begin, min(begin + size, stop))


def exclude_self(first: int) -> Mask:
    """Exclude candidate ``first + i`` for row i."""

    def mask(similarities: torch.Tensor, rows: slice) -> None:
        similarities.diagonal(first + rows.start).fill_(-torch.inf)

    return mask


def exclude_same_label(labels: torch.Tensor, own: slice) -> Mask:
    """Exclude candidates of a row's label, but for that of the row's own place.

    Args:
        labels: (m,) of the candidates; rows are the candidates' places ``own``.
    """

    def mask(similarities: torch.Tensor, rows: slice) -> None:
        first = own.start + rows.start
        same = labels[first : first + len(similarities), None] == labels[None, :]
        same.diagonal(first).fill_(False)
        similarities.masked_fill_(same, -torch.inf)

    return mask
