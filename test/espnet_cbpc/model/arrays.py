# SPDX-License-Identifier: Apache-2.0
"""Front-ends of several channels, small, as options of the joint model."""

SMALL_RNN = {"blayers": 1, "bunits": 8, "bprojs": 8, "badim": 8}
SMALL_WPE = {"wlayers": 1, "wunits": 8, "wprojs": 8, "taps": 2, "delay": 2}
BEAMFORMER = {"num_spk": 1, "loss_type": "spectrum", "ref_channel": 1, **SMALL_RNN, **SMALL_WPE}


def beamformer(**changes):
    """The options of a mask-based beamformer, with some changed."""
    return {
        "enh_separator": "wpe_beamformer",
        "enh_separator_conf": {**BEAMFORMER, "beamformer_type": "mvdr_souden", **changes},
    }


def waveform(separator, **conf):
    """The options of a separator that takes the waveform."""
    same = {"enh_encoder": "same", "enh_encoder_conf": {}, "enh_decoder": "same"}
    return {**same, "enh_decoder_conf": {}, "enh_separator": separator, "enh_separator_conf": conf}


IFASNET = waveform(
    "fasnet",
    enc_dim=8,
    feature_dim=8,
    hidden_dim=8,
    layer=1,
    segment_size=8,
    num_spk=1,
    win_len=16,
    context_len=16,
    sr=8000,
    fasnet_type="ifasnet",
)
TFGRIDNET = waveform(
    "tfgridnetv2",
    n_srcs=1,
    n_fft=64,
    stride=32,
    n_imics=3,
    n_layers=1,
    lstm_hidden_units=4,
    attn_n_head=1,
    attn_approx_qk_dim=8,
    emb_dim=4,
    emb_ks=1,
    emb_hs=1,
)
FRONT_ENDS = {
    "MVDR": beamformer(),
    "WPD": beamformer(beamformer_type="wpd_souden"),
    "WPE and MVDR": beamformer(use_wpe=True),
    "WPE and WPD": beamformer(use_wpe=True, beamformer_type="wpd_souden"),
    "WPE alone": beamformer(use_wpe=True, use_beamformer=False),
    "iFaSNet": IFASNET,
    "TF-GridNet": TFGRIDNET,
    "DC-CRN": {
        "enh_encoder_conf": {"n_fft": 128, "hop_length": 64},
        "enh_decoder_conf": {"n_fft": 128, "hop_length": 64},
        "enh_separator": "dc_crn",
        "enh_separator_conf": {
            "num_spk": 1,
            "input_channels": [6, 8, 8, 8],
            "enc_hid_channels": 2,
            "enc_layers": 2,
            "glstm_groups": 1,
            "glstm_layers": 1,
            "ref_channel": 1,
        },
    },
}


def as_array(speech, channels=3):
    """(B, N) as (B, N, C): channel 1 is the speech, the others come later and are fainter."""
    import torch

    delayed = [
        torch.roll(speech, 2 * abs(c - 1), dims=1) * 0.9 ** abs(c - 1) for c in range(channels)
    ]
    noise = torch.randn(*speech.shape, channels, generator=torch.Generator().manual_seed(1))
    return torch.stack(delayed, dim=2) + 0.01 * noise * (speech != 0)[..., None]
