# SPDX-License-Identifier: Apache-2.0
"""The losses of a model that knows the time alone."""

import math

import pytest
import torch

from espnet_cbpc.model.position_baseline import position_baseline


def test_time_helps_where_frames_tell_it_and_else_not():
    g = torch.Generator().manual_seed(0)
    speech = [torch.randn(50, 16, generator=g) for _ in range(24)]
    times = 3 * torch.randn(50, 16, generator=g)
    plain = position_baseline(speech)
    timed = position_baseline([s + times for s in speech])
    assert plain["infonce_chance"] == pytest.approx(math.log(12 * 50))
    assert plain["infonce"] > plain["infonce_chance"] - 0.1 and plain["feature_matching"] > 0.95
    assert timed["infonce"] < timed["infonce_chance"] - 2 and timed["feature_matching"] < 0.3


def test_too_few_utterances_of_a_position_tell_nothing():
    assert set(position_baseline([torch.randn(9, 4)] * 3).values()) == {None}
    assert set(position_baseline([]).values()) == {None}
