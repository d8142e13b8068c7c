"""Two gradients that meet at the enhanced speech, and how they are put together."""

import torch
from torch.autograd.function import once_differentiable


class BalancedFork(torch.autograd.Function):
    """Hand enhanced speech (B, N) on to the SE loss and to recognition; balance what comes back.

    ``project``: of an utterance's SE gradient, the part that opposes the other gradient is taken
    out (one-sided gradient surgery of Yu et al., 2020; for this task Hu et al., "Gradient Remedy",
    2023). ``equal``: the SE gradient is brought to the length of the other one.
    """

    @staticmethod
    def forward(ctx, enhanced: torch.Tensor, kind: str):
        """Return the speech twice: for the SE loss, and for recognition."""
        ctx.kind = kind
        return enhanced.view_as(enhanced), enhanced.view_as(enhanced)

    @staticmethod
    @once_differentiable
    def backward(ctx, se: torch.Tensor, other: torch.Tensor):
        """Return the balanced sum."""
        tiny = torch.finfo(se.dtype).tiny
        if ctx.kind == "project":
            against = (se * other).sum(1, keepdim=True).clamp(max=0.0)
            se = se - against / (other * other).sum(1, keepdim=True).clamp(min=tiny) * other
        else:
            length = se.norm(dim=1, keepdim=True).clamp(min=tiny)
            se = se * (other.norm(dim=1, keepdim=True) / length)
        return se + other, None
