# SPDX-License-Identifier: Apache-2.0
"""Training of SE models by themselves: the channels that they take."""

import pytest
import torch

from espnet_cbpc.utils.cli import UserError

STFT = {"n_fft": 64, "hop_length": 32}
TCN = {"num_spk": 1, "layer": 1, "stack": 1, "bottleneck_dim": 8, "hidden_dim": 8}
BEAMFORMER = {"num_spk": 1, "ref_channel": 1, "blayers": 1, "bunits": 8, "bprojs": 8}


@pytest.fixture
def built():
    """Function: an SE model of some separator, in training."""
    from espnet_cbpc.tasks.enh import EnhTask

    def build(separator, **conf):
        args = EnhTask.get_parser().parse_args(["--output_dir", "unused"])
        args.separator, args.separator_conf = separator, conf
        args.encoder_conf = args.decoder_conf = STFT
        return EnhTask.build_model(args).train()

    return build


def batch(channels):
    speech = torch.randn(2, 1600, channels, generator=torch.Generator().manual_seed(0))
    lengths, reference = torch.tensor([1600, 1200]), speech[..., 0].clone()
    speech = speech if channels > 1 else speech[..., 0]
    return {"speech_mix": speech, "speech_mix_lengths": lengths, "speech_ref1": reference}


@pytest.mark.parametrize(
    "separator, conf, channels, message",
    [
        ("tcn", TCN, 6, r"speech of 6 channels, but the SE model \(TCNSeparator\) takes 1 channel"),
        ("wpe_beamformer", BEAMFORMER, 1, "speech of 1 channel, from which .* learns nothing"),
    ],
)
def test_a_wrong_number_of_channels_is_told(built, separator, conf, channels, message):
    with pytest.raises(UserError, match=message):
        built(separator, **conf)(**batch(channels))


def test_the_right_number(built):
    for model, channels in ((built("tcn", **TCN), 1), (built("wpe_beamformer", **BEAMFORMER), 3)):
        separator = model.separator
        if channels > 1:
            separator.loss_type = "spectrum"
        loss, _, _ = model(**batch(channels))
        assert torch.isfinite(loss).all()
