# SPDX-License-Identifier: Apache-2.0
"""gLN in one kernel equals ESPnet's, parameters and all."""

import pytest
import torch
from espnet2.enh.layers.tcn import GlobalLayerNorm, TemporalConvNet

from espnet_cbpc.compat.fused_norm import FusedGlobalLayerNorm, fuse_norms


@pytest.mark.parametrize("shape", ["BDT", "BTD"])
def test_value_and_gradients_are_those_of_the_stock_module(shape):
    torch.manual_seed(0)
    stock = GlobalLayerNorm(6, shape).double()
    for parameter in stock.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(3, *((6, 20) if shape == "BDT" else (20, 6)), dtype=torch.float64) + 2.0
    x.requires_grad_()
    weight = torch.randn_like(x)

    def results(module):
        y = module(x)
        return (y, *torch.autograd.grad((y * weight).sum(), [x, *module.parameters()]))

    expected = results(stock)
    fused = fuse_norms(torch.nn.Sequential(stock))[0]
    assert type(fused) is FusedGlobalLayerNorm
    assert fused(x).is_contiguous()
    for got, want in zip(results(fused), expected):
        torch.testing.assert_close(got, want)


def test_every_norm_of_a_network_is_replaced_and_its_checkpoint_stays_as_it_was():
    torch.manual_seed(0)
    network = TemporalConvNet(N=5, B=4, H=6, P=3, X=2, R=1, C=1, norm_type="gLN")
    stock = {name: value.clone() for name, value in network.state_dict().items()}
    x = torch.randn(2, 5, 30)
    expected = network(x)
    fuse_norms(network)
    norms = [m for m in network.modules() if isinstance(m, GlobalLayerNorm)]
    assert len(norms) == 4 and all(type(m) is FusedGlobalLayerNorm for m in norms)
    torch.testing.assert_close(network(x), expected)
    assert {name: value.shape for name, value in network.state_dict().items()} == {
        name: value.shape for name, value in stock.items()
    }
