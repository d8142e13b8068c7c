# SPDX-License-Identifier: Apache-2.0
"""Random OWSM and OWSM-CTC, as ESPnet's own S2T tasks make and save them."""

import tiny_models as tiny

FS = 16000
TIMES = [f"<{0.02 * i:.2f}>" for i in range(1501)]
WORDS = [f"w{i}" for i in range(40)]
TOKENS = ["<blank>", "<unk>", "<na>", "<nospeech>", "<eng>", "<deu>", "<asr>", "<notimestamps>"]
TOKENS += [*TIMES, *WORDS, "<sos>", "<eos>", "<sop>"]
OWSM = {
    "token_list": TOKENS,
    "token_type": "word",
    "frontend_conf": {"fs": FS, "n_fft": 400, "hop_length": 160, "n_mels": 16},
    "normalize": "utterance_mvn",
    "encoder": "e_branchformer",
    "encoder_conf": {**tiny.ENCODERS["e_branchformer"], "input_layer": "conv2d8"},
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 2},
    "model_conf": {"ctc_weight": 0.3},
    "preprocessor": "s2t",
    "preprocessor_conf": {
        "text_prev_name": "text_prev",
        "text_ctc_name": "text_ctc",
        "fs": FS,
        "na_symbol": "<na>",
        "speech_length": 30,
        "speech_resolution": 0.02,
        "notime_symbol": "<notimestamps>",
        "first_time_symbol": TIMES[0],
        "last_time_symbol": TIMES[-1],
    },
}
CTC_TOKENS = [token for token in TOKENS if token not in TIMES[1:-1]]  # else it speaks no words
OWSM_CTC = {
    **{key: OWSM[key] for key in ("token_type", "frontend_conf", "normalize")},
    "token_list": CTC_TOKENS,
    "encoder": "e_branchformer_ctc",
    "encoder_conf": {
        **OWSM["encoder_conf"],
        "num_blocks": 2,
        "use_cross_attention": [False, True],
        "interctc_layer_idx": [1],
        "interctc_use_conditioning": True,
    },
    "promptencoder": "transformer",
    "promptencoder_conf": {
        "output_size": 8,
        "attention_heads": 2,
        "linear_units": 8,
        "num_blocks": 1,
    },
    "model_conf": {"interctc_weight": 0.5, "ctc_asr_only": [True, False]},
    "preprocessor": "s2t_ctc",
    "preprocessor_conf": OWSM["preprocessor_conf"],
}


def random_owsm(folder):
    """Save an experiment folder of a random OWSM, and return it."""
    from espnet2.tasks.s2t import S2TTask

    folder.mkdir()
    tiny.save_model(folder, "config", S2TTask, OWSM)
    (folder / "config.pth").rename(folder / "valid.acc.ave.pth")
    return folder


def random_owsm_ctc(folder):
    """Save an experiment folder of a random OWSM-CTC, and return it."""
    from espnet2.tasks.s2t_ctc import S2TTask

    folder.mkdir()
    tiny.save_model(folder, "config", S2TTask, OWSM_CTC)
    (folder / "config.pth").rename(folder / "model.pth")
    return folder
