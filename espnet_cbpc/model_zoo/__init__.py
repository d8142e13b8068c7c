# SPDX-License-Identifier: Apache-2.0
"""Import pretrained models, and export trained ones to stock ESPnet."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from espnet_cbpc.model_zoo.load import load_asr, load_enh

__all__ = ["load_asr", "load_enh"]


def __getattr__(name: str) -> Any:
    """Import what loads models when it is asked for: torch and ESPnet take seconds."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from espnet_cbpc.model_zoo import load

    return getattr(load, name)
