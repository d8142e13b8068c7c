"""Pretrained models in, and trained ones out to stock ESPnet."""

from espnet_cbpc.model_zoo.load import load_asr, load_enh

__all__ = ["load_asr", "load_enh"]
