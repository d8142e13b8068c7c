# SPDX-License-Identifier: Apache-2.0
"""Names of parameters that have changed between releases of ESPnet.

Release 202611 calls the projection of a subsampling layer ``out`` and its positional encoding
``pos_enc``, where 202511 has ``out.0`` and ``out.1``. ESPnet's ``load_state_dict`` takes old names on
the new release; nothing takes new names on the old one, and ``--init_param`` of the new release
silently drops old ones.
"""

from collections.abc import Iterable, Mapping

import torch

PROVEN_ON = ("202511", "202611")

OWSM_PROMPT = ("prompt_encoder", "embed", "embed_proj", "prompt_proj")
# (a part of a name, what it may be called instead)
RENAMED = (
    (".out.0.", ".out."),
    (".out.1.", ".pos_enc."),
    (".out.", ".out.0."),
    (".pos_enc.", ".out.1."),
    # ESPnet's S3PRL frontend, since its first models
    ("frontend.upstream.model.", "frontend.upstream.upstream.model."),
    # OWSM-CTC, whose encoder has its prompt here
    *((f"{part}.", f"encoder.prompt.{part}.") for part in OWSM_PROMPT),
)


def named_as(
    expected: Iterable[str], weights: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return ``weights`` under the names that a model expects.

    A name that the model does not know is replaced by one that it does, if only the release tells
    them apart; any other is left unchanged.

    Args:
        expected: names in the state dict of the model, built on the release that is installed.
        weights: from either release.
    """
    known = set(expected)
    return {_known_as(name, known): tensor for name, tensor in weights.items()}


def _known_as(name: str, known: set) -> str:
    if name in known:
        return name
    for old, new in RENAMED:
        renamed = name.replace(old, new)
        if renamed in known:
            return renamed
    return name


def named_for_all_releases(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the state dict of ``model`` under names that every release reads: the oldest ones."""
    weights = model.state_dict()
    for prefix in _subsampling_layers(model):
        for new, old in (("out.", "out.0."), ("pos_enc.", "out.1.")):
            for name in [name for name in weights if name.startswith(prefix + new)]:
                weights[prefix + old + name[len(prefix + new) :]] = weights.pop(name)
    return dict(weights)


def _subsampling_layers(model: torch.nn.Module) -> Iterable[str]:
    """Yield the prefixes of the layers of 202611 that had other names before; 202511 has none."""
    for name, module in model.named_modules():
        loads_old_names = "_load_from_state_dict" in vars(type(module))
        if "Subsampling" in type(module).__name__ and loads_old_names:
            yield f"{name}." if name else ""
