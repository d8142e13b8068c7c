# SPDX-License-Identifier: Apache-2.0
"""Run by each release of ESPnet: a random joint model and what it computes, packed.

Usage: other_release.py make FOLDER | other_release.py compute ARCHIVE SPEECH OUTPUT
"""

import sys
from pathlib import Path

import numpy as np
import torch


def make(folder: Path) -> None:
    """Write enh_asr.zip, asr.zip and enh.zip of a joint model, and speech.npy."""
    from tiny_models import joint_options, save_model

    from espnet_cbpc.model_zoo.decoding_config import DecodingConfig
    from espnet_cbpc.model_zoo.exporting import export
    from espnet_cbpc.model_zoo.model_card import ModelCard
    from espnet_cbpc.tasks.enh_asr_cbpc import EnhASRCBPCTask

    options = {**joint_options(0.3), "contrastive_criterions": []}
    save_model(folder, "joint", EnhASRCBPCTask, options)
    decoding = DecodingConfig(beam_size=3, ctc_weight=0.4, maxlenratio=0.5)
    export(folder / "joint.yaml", folder / "joint.pth", folder, ModelCard(options, decoding))
    np.save(folder / "speech.npy", 0.1 * np.random.default_rng(0).standard_normal(6000))


def compute(archive: str, speech: str, output: str) -> None:
    """Write the text and the waveform that this release has of an archive."""
    from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text

    samples = np.load(speech).astype(np.float32)
    text, wave = EnhSpeech2Text.from_pretrained(archive, cachedir=f"{output}.cache")(samples)
    np.savez(output, text=text, wave=wave, stock=stock(archive, samples))


def stock(archive: str, samples: np.ndarray) -> str:
    """Return what ESPnet alone recognises."""
    from espnet2.bin.asr_inference import Speech2Text
    from espnet_model_zoo.downloader import ModelDownloader

    from espnet_cbpc.compat.releases import has_ctc_window

    files = ModelDownloader(f"{archive}.stock").download_and_unpack(archive)
    exact = {"ctc_window_margin": 0} if has_ctc_window() else {}
    search = {"beam_size": 3, "ctc_weight": 0.4, "maxlenratio": 0.5}
    text, *_ = Speech2Text(**files, enh_s2t_task=True, **search, **exact)(samples)[0][0]
    return text


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # where tiny_models is
    torch.set_num_threads(1)
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        compute(*sys.argv[2:])
