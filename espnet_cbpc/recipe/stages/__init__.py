# SPDX-License-Identifier: Apache-2.0
"""The stages of a recipe: each a function of the recipe that returns chains of steps.

The steps of a chain run one after the other; chains may run side by side.
"""

from collections.abc import Iterator, Sequence
from typing import Callable

from espnet_cbpc.recipe.recipe import Recipe
from espnet_cbpc.recipe.stage_names import LANGUAGE_MODEL
from espnet_cbpc.recipe.stages import data, evaluation, joint, models, release
from espnet_cbpc.recipe.step import Step

Chain = Sequence[Step]


def _one(steps: Callable[[Recipe], list[Step]]) -> Callable[[Recipe], list[Chain]]:
    return lambda recipe: [steps(recipe)]


def _each(steps: Callable[[Recipe], list[Step]]) -> Callable[[Recipe], list[Chain]]:
    return lambda recipe: [[step] for step in steps(recipe)]


# in the order of stage_names.STAGES
CHAINS = (
    _one(data.data),
    _one(data.speed_perturbation),
    _one(data.format_audio),
    _one(data.length_filter),
    _one(data.token_list),
    _one(models.lm_statistics),
    _one(models.lm_training),
    _one(models.lm_perplexity),
    models.asr,
    models.enh,
    _each(joint.tokenizer),
    joint.joint_statistics,
    _each(joint.joint),
    evaluation.inference,
    _one(evaluation.scoring),
    _one(release.report),
    _one(release.pack),
    _one(release.upload),
)


def chains(recipe: Recipe, number: int) -> list[Chain]:
    """Return the chains of a stage that have steps."""
    return [chain for chain in CHAINS[number - 1](recipe) if chain]


def all_steps(recipe: Recipe) -> Iterator[tuple[int, Step]]:
    """Yield every step of a recipe with the number of its stage, in their order."""
    for number in range(1, len(CHAINS) + 1):
        if recipe.options.use_lm or number not in LANGUAGE_MODEL:
            for chain in chains(recipe, number):
                yield from ((number, step) for step in chain)
