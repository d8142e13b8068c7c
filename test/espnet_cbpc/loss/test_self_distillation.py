# SPDX-License-Identifier: Apache-2.0
"""The divergence between the posteriors of enhanced and of clean speech."""

import math

import pytest
import torch

from espnet_cbpc.loss.self_distillation import self_distillation_loss


def test_it_is_the_divergence_written_out():
    enhanced, clean = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0))
    p, q = clean.softmax(-1), enhanced.softmax(-1)
    expected = (p * (p.log() - q.log())).sum(-1).mean()
    torch.testing.assert_close(self_distillation_loss(enhanced, clean), expected)


def test_temperature_softens_both_and_weighs_by_its_square():
    enhanced, clean = torch.tensor([[0.0, 4.0]]), torch.tensor([[4.0, 0.0]])
    p = 1 / (1 + math.exp(-2.0))
    expected = 4.0 * (2 * p - 1) * math.log(p / (1 - p))
    assert self_distillation_loss(enhanced, clean, 2.0).item() == pytest.approx(expected, rel=1e-5)


def test_equal_posteriors_cost_nothing_and_clean_ones_get_no_gradient():
    clean = torch.randn(3, 4, requires_grad=True)
    enhanced = (clean.detach() + 1.0).requires_grad_()  # softmax does not see the shift
    loss = self_distillation_loss(enhanced, clean)
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6) and clean.grad is None
    assert enhanced.grad.abs().max() < 1e-6


def test_half_precision_is_computed_in_float32():
    clean = torch.full((1, 60000), -10.0, dtype=torch.float16)
    loss = self_distillation_loss(torch.zeros_like(clean), clean)
    assert loss.dtype == torch.float32 and loss.item() == pytest.approx(0.0, abs=1e-4)


def test_nothing_to_compare_is_a_zero_with_a_gradient_path():
    enhanced = torch.zeros(0, 4, requires_grad=True)
    loss = self_distillation_loss(enhanced, torch.zeros(0, 4))
    loss.backward()
    assert loss.item() == 0.0 and enhanced.grad is not None
