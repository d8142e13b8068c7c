# SPDX-License-Identifier: Apache-2.0
"""The configuration of a joint model: what comes from where, and back."""

from espnet_cbpc.model.joint_config import joint_config, split_config

ASR = {
    "encoder": "conformer",
    "encoder_conf": {"num_blocks": 2},
    "decoder": None,
    "decoder_conf": {},
    "frontend": "default",
    "frontend_conf": {"fs": 8000},
    "normalize": "utterance_mvn",
    "token_list": ["a"],
    "token_type": "word",
    "ctc_conf": {"ctc_type": "builtin"},
    "model_conf": {"ctc_weight": 1.0},
    "optim": "sgd",
    "max_epoch": 99,
}
ENH = {
    "encoder": "stft",
    "encoder_conf": {"n_fft": 64},
    "separator": "tcn",
    "separator_conf": {"num_spk": 1},
    "decoder": "stft",
    "decoder_conf": {"n_fft": 64},
    "criterions": [{"name": "snr"}],
    "model_conf": {},
    "max_epoch": 98,
}


def test_models_keep_their_architecture_and_the_user_decides_on_the_training():
    config = joint_config({"max_epoch": 3, "enh_criterions": [{"name": "si_snr"}]}, ASR, ENH)
    assert config["asr_encoder"] == "conformer" and config["enh_encoder"] == "stft"
    assert config["asr_encoder_conf"] == {"num_blocks": 2}
    assert config["asr_model_conf"] == {"ctc_weight": 1.0}
    assert config["enh_decoder_conf"] == {"n_fft": 64}
    assert config["frontend_conf"] == {"fs": 8000} and config["token_list"] == ["a"]
    assert config["max_epoch"] == 3 and "optim" not in config
    assert config["enh_criterions"] == [{"name": "si_snr"}]  # the user's word wins
    assert config["text_name"] == ["text_spk1"] and config["use_preprocessor"] is True


def test_losses_look_at_the_layer_that_the_tokenizer_was_fitted_on():
    user = {"joint_conf": {"alpha": 0.3}}
    assert joint_config(user, ASR, ENH, layer=4)["joint_conf"] == {"layer": 4, "alpha": 0.3}
    assert joint_config(user, ASR, ENH)["joint_conf"] == {"alpha": 0.3}
    assert user == {"joint_conf": {"alpha": 0.3}}


def test_splitting_gives_back_what_the_models_brought():
    parts = split_config(joint_config({}, ASR, ENH))
    for name, original in (("asr", ASR), ("enh", ENH)):
        for key in set(original) - {"optim", "max_epoch"}:
            assert parts[name][key] == original[key], (name, key)
