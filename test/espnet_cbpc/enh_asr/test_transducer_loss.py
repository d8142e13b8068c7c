"""The transducer loss that stands in for warprnnt_pytorch."""

import importlib.util
import sys

import pytest
import torch

from espnet_cbpc.enh_asr.transducer_loss import NAME, RNNTLoss, provide_transducer_loss


def likelihood(log_probs, targets):
    """Return log p(targets) by the recursion over all paths of one utterance (T, U + 1, V)."""
    frames, positions, _ = log_probs.shape
    alpha = {(0, 0): torch.tensor(0.0)}
    for t in range(frames):
        for u in range(positions):
            arriving = []
            if t:
                arriving.append(alpha[t - 1, u] + log_probs[t - 1, u, 0])
            if u:
                arriving.append(alpha[t, u - 1] + log_probs[t, u - 1, targets[u - 1]])
            if arriving:
                alpha[t, u] = torch.logsumexp(torch.stack(arriving), 0)
    return alpha[frames - 1, positions - 1] + log_probs[-1, -1, 0]


def test_loss_and_gradient_are_those_of_all_paths():
    torch.manual_seed(0)
    logits = torch.randn(2, 5, 4, 6, requires_grad=True)
    targets = torch.tensor([[1, 2, 2], [3, 5, 0]])
    frames, tokens = torch.tensor([5, 4]), torch.tensor([3, 2])
    loss = RNNTLoss(blank=0)(logits, targets, frames, tokens)
    log_probs = logits.log_softmax(-1)
    expected = -torch.stack(
        [
            likelihood(log_probs[i, :t, : u + 1], targets[i, :u].tolist())
            for i, (t, u) in enumerate(zip(frames, tokens))
        ]
    ).mean()
    torch.testing.assert_close(loss, expected)
    (gradient,) = torch.autograd.grad(loss, logits)
    (expected_gradient,) = torch.autograd.grad(expected, logits)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-5)


def test_it_takes_the_name_only_where_it_is_free(monkeypatch):
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    provide_transducer_loss()
    installed = sys.modules.get(NAME)
    assert installed is None or installed.RNNTLoss is RNNTLoss  # None: the package is installed
    assert importlib.util.find_spec(NAME) is not None
    monkeypatch.setitem(sys.modules, NAME, torch)
    provide_transducer_loss()
    assert sys.modules[NAME] is torch


def test_what_it_lacks_is_refused():
    with pytest.raises(ValueError, match="fastemit_lambda 0.1: install warprnnt_pytorch"):
        RNNTLoss(fastemit_lambda=0.1)
