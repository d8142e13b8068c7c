# SPDX-License-Identifier: Apache-2.0
"""Tiny random models and noise-like speech for the tests of inference."""

import numpy as np
import torch
import yaml

FS = 8000
GREEDY = {"ctc_greedy": True}
TOKENS = ["<blank>", "<unk>", "<space>", "a", "b", "c", "<sos/eos>"]
STFT = {"n_fft": 128, "hop_length": 64}
CONFORMER = {
    "encoder": "conformer",
    "encoder_conf": {
        "output_size": 16,
        "attention_heads": 2,
        "linear_units": 16,
        "num_blocks": 1,
        "cnn_module_kernel": 3,
        "input_layer": "conv2d2",
    },
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 1},
}
RNN = {
    "encoder": "vgg_rnn",
    "encoder_conf": {"num_layers": 1, "hidden_size": 8, "output_size": 16},
}
SMALL = {"output_size": 16, "attention_heads": 2, "num_blocks": 1, "input_layer": "conv2d2"}
ENCODERS = {
    "conformer": {**SMALL, "linear_units": 16, "cnn_module_kernel": 3},
    "transformer": {**SMALL, "linear_units": 16},
    "branchformer": {**SMALL, "cgmlp_linear_units": 16, "cgmlp_conv_kernel": 3},
    "e_branchformer": {
        **SMALL,
        "linear_units": 16,
        "cgmlp_linear_units": 16,
        "cgmlp_conv_kernel": 3,
        "merge_conv_kernel": 3,
    },
    "contextual_block_conformer": {
        **SMALL,
        "input_layer": "conv2d",
        "linear_units": 16,
        "cnn_module_kernel": 3,
        "block_size": 8,
        "hop_size": 4,
        "look_ahead": 2,
    },
    "rnn": {"num_layers": 1, "hidden_size": 8, "output_size": 16},
}
TRANSDUCER = {
    "decoder": "transducer",
    "decoder_conf": {"hidden_size": 8},
    "joint_net_conf": {"joint_space_size": 16},
}
ENH = {
    "encoder": "stft",
    "encoder_conf": STFT,
    "separator": "rnn",
    "separator_conf": {"num_spk": 1, "rnn_type": "blstm", "layer": 1, "unit": 8},
    "decoder": "stft",
    "decoder_conf": STFT,
}
CRITERIA = [{"name": "si_snr", "conf": {}, "wrapper": "fixed_order", "wrapper_conf": {"weight": 1}}]


def asr_options(encoder, ctc_weight):
    return {
        **encoder,
        "token_list": TOKENS,
        "token_type": "char",
        "frontend": "default",
        "frontend_conf": {"fs": FS, "n_mels": 16, **STFT},
        "normalize": "utterance_mvn",
        "specaug": None,
        "model_conf": {"ctc_weight": ctc_weight},
    }


def joint_options(ctc_weight=1.0):
    options = asr_options(CONFORMER, ctc_weight)
    options["asr_model_conf"] = options.pop("model_conf")
    for name in ("encoder", "decoder"):
        for key in (name, f"{name}_conf"):
            options[f"asr_{key}"] = options.pop(key)
    options.update({f"enh_{key}": value for key, value in ENH.items()})
    return {**options, "enh_criterions": CRITERIA, "subtask_series": ["enh", "asr"], "cbpc": {}}


def save_model(folder, name, task, options, extra=None):
    """Write the configuration and the random parameters of a model as its training would."""
    args = task.get_parser().parse_args(["--output_dir", str(folder)])
    vars(args).update(options)
    torch.manual_seed(0)
    model = task.build_model(args)
    for parameter in model.parameters():  # for varied texts the outputs must differ by frame
        if parameter.dim() > 1:
            parameter.data.mul_(3)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(vars(args)))
    torch.save({**model.state_dict(), **(extra or {})}, folder / f"{name}.pth")


def files(folder, kind, name):
    """Return the two options that give a model of this kind."""
    config, model = folder / f"{name}.yaml", folder / f"{name}.pth"
    return {f"{kind}_train_config": str(config), f"{kind}_model_file": str(model)}


def speech(samples, seed=0):
    envelope = 0.3 + np.sin(np.arange(samples) / 500 + seed) ** 2
    noise = np.random.default_rng(seed).standard_normal(samples)
    return (0.1 * envelope * noise).astype(np.float32)


def padded(waves):
    lengths = [len(wave) for wave in waves]
    # padding that is loud, as nothing of it may be heard
    return (
        np.stack([np.pad(w, (0, max(lengths) - len(w)), constant_values=0.9) for w in waves]),
        lengths,
    )
