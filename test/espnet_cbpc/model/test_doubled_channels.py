# SPDX-License-Identifier: Apache-2.0
"""A channel that comes twice, as where a failing one is replaced, does a beamformer no harm."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # which pytest's importlib mode does not
from arrays import beamformer

FRONT_ENDS = {
    "MVDR": beamformer(ref_channel=0),
    "WPD": beamformer(ref_channel=0, beamformer_type="wpd_souden"),
    "WPE and MVDR": beamformer(ref_channel=0, use_wpe=True),
}


def snr(estimate, signal):
    ratio = signal.square().sum() / (estimate - signal).square().sum()
    return float(10 * torch.log10(ratio.detach()))


@pytest.fixture(scope="module")
def recording():
    """Speech-like sound that reaches six microphones one after the other, noise, and the first."""
    g = torch.Generator().manual_seed(0)
    level = torch.sin(torch.arange(16000) / 8000 * 9.0).clamp(min=0.0)
    source = torch.randn(16000, generator=g) * level
    heard = torch.stack([torch.roll(source, 2 * c) for c in range(6)], dim=1)
    return heard + 0.7 * torch.randn(16000, 6, generator=g), source


class Oracle(torch.nn.Module):
    """Stands for a mask estimator: the sound is where it is loud, the noise where it is not."""

    def forward(self, data, lengths):
        power = data.abs().square().mean(dim=(1, 2), keepdim=True)  # (B, 1, 1, T)
        loud = (power > power.median()).to(power.dtype).expand(*data.shape)
        return (loud, 1 - loud), lengths


def enhanced(model, speech, requires_grad=False):
    speech = speech[None].clone().requires_grad_(requires_grad)
    out = model.enh_model.forward_enhance(speech, torch.tensor([speech.shape[1]]))[0][0]
    return speech, out[0]


@pytest.mark.parametrize("front_end", FRONT_ENDS)
@pytest.mark.parametrize("kept", [(0, 1, 2, 3, 4, 4), (0, 1, 1, 1, 4, 5), (0, 0, 0, 0, 0, 0)])
def test_a_doubled_channel(tiny_model, recording, front_end, kept):
    noisy, source = recording
    model = tiny_model(**FRONT_ENDS[front_end]).eval()
    model.enh_model.separator.beamformer.mask = Oracle()
    doubled, out = enhanced(model, noisy[:, list(kept)], requires_grad=True)
    _, single = enhanced(model, noisy[:, sorted(set(kept))])

    # it is worth what the microphones are worth that are there
    assert snr(out.detach(), source) > snr(single, source) - 0.5
    if len(set(kept)) > 1:
        assert snr(out.detach(), source) > snr(noisy[:, 0], source) + 3

    # and one can train on it
    out.square().sum().backward()
    assert torch.isfinite(doubled.grad).all()
    largest = enhanced(model, noisy, requires_grad=True)
    largest[1].square().sum().backward()
    assert doubled.grad.abs().max() < 100 * largest[0].grad.abs().max()


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_training_step_with_doubled_channels(tiny_model, tiny_batch, front_end):
    model, batch = tiny_model(**FRONT_ENDS[front_end]).train(), tiny_batch((0, 1, 2))
    one = batch["speech"]
    other = torch.roll(one, 3, dims=1)
    # failing ones replaced, and clean speech that has one file for all channels
    rows = [torch.stack(chosen, dim=1) for chosen in zip(one, other, one)]
    rows[2] = one[2][:, None].expand(-1, 3)
    loss, _, _ = model(**{**batch, "speech": torch.stack(rows)})
    loss.sum().backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert torch.isfinite(loss).all() and all(torch.isfinite(g).all() for g in grads)
