# SPDX-License-Identifier: Apache-2.0
"""The extras that a recipe's stages need, checked before anything runs."""

from collections.abc import Collection

from espnet_cbpc.recipe.options import RecipeOptions
from espnet_cbpc.recipe.stage_names import NAMES, TRAINING
from espnet_cbpc.utils.extras import missing_extra, missing_modules

SCORING, REPORT = (NAMES.index(name) + 1 for name in ("scoring", "report"))


def check_packages(stages: Collection[int], options: RecipeOptions) -> None:
    """Raise ``UserError`` where extras that the stages need are not installed."""
    asked = {
        "train": bool(set(stages) & set(TRAINING)),
        "pesq": SCORING in stages and options.quality_sets != ("none",),
        "report": REPORT in stages,
    }
    lacking = {extra: missing_modules(extra) for extra, is_asked in asked.items() if is_asked}
    lacking = {extra: modules for extra, modules in lacking.items() if modules}
    if lacking:
        modules = dict.fromkeys(module for several in lacking.values() for module in several)
        raise missing_extra("this recipe", ",".join(lacking), *modules)
