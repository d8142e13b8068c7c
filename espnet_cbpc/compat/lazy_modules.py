# SPDX-License-Identifier: Apache-2.0
"""Modules that ESPnet always imports, loaded only when first used.

``nltk`` is there for the BLEU of translations, ``g2p_en`` for phonemes. Both take a fifth of a
command's start. Wherever nltk's data are missing, the latter asks the network for them each time.
"""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from importlib.util import LazyLoader

PROVEN_ON = ("202511", "202611")

MODULES = ("g2p_en", "nltk")


class _LazyFinder(MetaPathFinder):
    """Finds the modules where Python does, but has them loaded late."""

    @staticmethod
    def find_spec(name, path, target=None):
        spec = PathFinder.find_spec(name, path, target) if name in MODULES else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def install() -> None:
    """Have the modules loaded late, where nothing has imported them yet."""
    sys.meta_path.insert(0, _LazyFinder())
