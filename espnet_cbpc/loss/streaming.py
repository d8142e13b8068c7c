"""Log-sum-exp of scaled dot products without the matrix of dot products.

The row-wise log-sum-exp of ``x @ y.T / temperature`` is what every contrastive loss divides by.
Held whole, that matrix grows with the square of the number of frames; here it is made one block
of rows at a time, and again in the backward pass, so that memory stays linear.
"""

from typing import Optional, Tuple

import torch
from torch.autograd.function import once_differentiable

# Elements of one block of similarities (16 MiB in float32): small enough to stay out of the way,
# large enough that the matrix products run at full speed.
BLOCK_ELEMENTS = 4 * 1024 * 1024


def masked_block(
    x: torch.Tensor,
    y: torch.Tensor,
    start: int,
    temperature: float,
    exclude_self: bool,
    labels: Optional[torch.Tensor],
) -> torch.Tensor:
    """Return similarities of the rows ``x`` (n, D), numbered from ``start``, with all ``y`` (m, D).

    Excluded pairs are -inf: the row itself with ``exclude_self``; with ``labels`` (m,) every
    other frame of the row's own label.
    """
    sim = x @ y.T / temperature  # (n, m)
    rows = torch.arange(len(x), device=x.device)
    if labels is not None:
        same = labels[start : start + len(x), None] == labels[None, :]
        same[rows, start + rows] = False  # the frame's own counterpart stays
        sim.masked_fill_(same, -torch.inf)
    if exclude_self:
        sim[rows, start + rows] = -torch.inf
    return sim


class _StreamingLogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y, temperature, exclude_self, labels):
        block = max(1, BLOCK_ELEMENTS // max(1, len(y)))
        lse = x.new_empty(len(x))
        for start in range(0, len(x), block):
            rows = slice(start, start + block)
            sim = masked_block(x[rows], y, start, temperature, exclude_self, labels)
            lse[rows] = sim.logsumexp(dim=1)
        ctx.save_for_backward(x, y, lse, labels)
        ctx.options = block, temperature, exclude_self
        return lse

    @staticmethod
    @once_differentiable
    def backward(ctx, grad) -> Tuple[Optional[torch.Tensor], ...]:
        x, y, lse, labels = ctx.saved_tensors
        block, temperature, exclude_self = ctx.options
        grad_x, grad_y = torch.empty_like(x), torch.zeros_like(y)
        # A row without any candidate has lse = -inf; its softmax is all zero, not nan.
        finite_lse = torch.where(lse == -torch.inf, torch.zeros_like(lse), lse)
        with torch.autocast(x.device.type, enabled=False):
            for start in range(0, len(x), block):
                rows = slice(start, start + block)
                sim = masked_block(x[rows], y, start, temperature, exclude_self, labels)
                p = sim.sub_(finite_lse[rows, None]).exp_().mul_(grad[rows, None] / temperature)
                grad_x[rows] = p @ y
                grad_y.addmm_(p.T, x[rows])
        return grad_x, grad_y, None, None, None


def streaming_logsumexp(
    x: torch.Tensor,
    y: torch.Tensor,
    temperature: float,
    exclude_self: bool = False,
    labels: Optional[torch.Tensor] = None,
) -> torch.Tensor:
    """Return ``log sum_j exp(x_i . y_j / temperature)`` for every row i, in linear memory.

    Args:
        x: (N, D) anchors.
        y: (M, D) candidates. With ``exclude_self`` or ``labels``, M = N and row i of ``y`` is the
            counterpart of row i of ``x``.
        temperature: divides every dot product; > 0.
        exclude_self: leave candidate i out of the sum of anchor i.
        labels: (N,) leave out the candidates j != i that carry anchor i's label.

    Returns:
        (N,); -inf for an anchor without any candidate. Differentiable once in ``x`` and ``y``.
    """
    return _StreamingLogSumExp.apply(x, y, temperature, exclude_self, labels)
