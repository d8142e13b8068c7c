# SPDX-License-Identifier: Apache-2.0
"""WPE with loading: as ESPnet's own on recordings of unlike channels, and finite on equal ones."""

import pytest
import torch
from espnet2.enh.layers import wpe

from espnet_cbpc.compat.wpe import _stock, support_doubled_channels


@pytest.fixture
def recording():
    """The spectrum (F, C, T) of a sound with reverberation, and its power (F, T)."""
    g = torch.Generator().manual_seed(0)
    dry = torch.randn(4, 3, 120, dtype=torch.complex128, generator=g)
    wet = dry + 0.5 * torch.roll(dry, 4, dims=2)
    return wet, wet.abs().square().mean(dim=1)


def test_unlike_channels_are_dereverberated_as_by_espnet(recording, monkeypatch):
    support_doubled_channels()
    ours = wpe.wpe_one_iteration(*recording, taps=5, delay=3)
    monkeypatch.setattr(wpe, "get_filter_matrix_conj", _stock)
    torch.testing.assert_close(
        ours, wpe.wpe_one_iteration(*recording, taps=5, delay=3), rtol=1e-6, atol=1e-8
    )


def test_equal_channels_are_dereverberated_as_one(recording):
    support_doubled_channels()
    spectrum, power = recording
    one = wpe.wpe_one_iteration(spectrum[:, :1], power, taps=5, delay=3)
    three = wpe.wpe_one_iteration(spectrum[:, [0, 0, 0]], power, taps=5, delay=3)
    torch.testing.assert_close(three, one.expand(-1, 3, -1), rtol=1e-4, atol=1e-4)
