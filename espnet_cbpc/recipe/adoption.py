# SPDX-License-Identifier: Apache-2.0
"""Experiments of version 0.1, which were recorded differently."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Optional

from espnet_cbpc.recipe.inputs import Missing
from espnet_cbpc.recipe.ledger import Ledger, now
from espnet_cbpc.recipe.recipe import Recipe
from espnet_cbpc.recipe.stages import all_steps
from espnet_cbpc.recipe.step import Step
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import read_yaml

OLD = ".stages"


def check_version_0_1(recipe: Recipe, ledger: Optional[Ledger]) -> None:
    """Take over an experiment of version 0.1 if asked to, else stop.

    What its stages had done, and is there, counts as done with the current options, and what they
    had begun as begun. Trained models must have been trained with the current configurations.

    Args:
        recipe: which one.
        ledger: where it is taken over; None: it may not be.

    Raises:
        UserError: there is one and ``--adopt`` is not given, or a model was trained otherwise.
    """
    old = recipe.layout.expdir / OLD
    if not old.is_dir():
        return
    if ledger is None or not recipe.options.adopt:
        raise UserError(
            f"{recipe.layout.expdir} was made by version 0.1, which kept its records in {old}: "
            "continue it with --adopt and its original options, or name another --expdir"
        )
    found = [
        step for _, step in all_steps(recipe) if _stamp(step, old).exists() and _is_there(step)
    ]
    contradictions = [line for step in found if step.is_training for line in _contradictions(step)]
    if contradictions:
        raise UserError(
            f"{len(contradictions)} option(s) of models in {recipe.layout.expdir} are not those of "
            f"now ({listed(contradictions)}): give the options and configurations that they were "
            "trained with"
        )
    for step in found:
        try:
            ledger.adopt(step, _stamp(step, old).suffix == ".done")
        except Missing:
            continue  # what it was made of is gone: it will be made again
    os.rename(old, old.with_name(f"{OLD}.adopted.{now()}"))


def _stamp(step: Step, old: Path) -> Path:
    """Return the file that version 0.1 left of a step: .done, or else .begun."""
    name = _old_name(step)
    done = old / f"{name}.done"
    return done if done.exists() else old / f"{name}.begun"


def _old_name(step: Step) -> str:
    parts = step.outputs[0].parts
    if step.name.startswith("inference_"):
        return f"inference_{parts[-3]}_{parts[-2]}"
    if step.name in ("score_asr", "score_enh"):
        noisy = parts[-3] == "noisy_scores"
        return f"{step.name}_{'noisy_speech' if noisy else f'{parts[-4]}_{parts[-3]}'}"
    if step.name == "pack":
        return f"pack_{parts[-2][len('enh_asr_') :]}"
    for name in ("format", "length_filter", "token_list"):
        if step.name.startswith(f"{name}_"):
            return name
    return step.name


def _is_there(step: Step) -> bool:
    return all(path.exists() for path in step.outputs)


def _contradictions(step: Step) -> list[str]:
    """Return the options of a training configuration that its model was not trained with."""
    written = step.outputs[0] / "config.yaml"
    if not written.is_file():
        return []
    given: Mapping[str, Any] = next(
        (step.inputs[k] for k in ("asr_config", "enh_config", "config") if k in step.inputs), {}
    )
    words = [word for key, value in step.inputs.items() if key.endswith("_args") for word in value]
    extra = {word[2:]: words[i + 1] for i, word in enumerate(words[:-1]) if word.startswith("--")}
    trained = read_yaml(written)
    # what the recipe itself alters; and what ESPnet does not write down is not known
    skipped = {"joint_conf"} | (
        set() if step.inputs.get("use_transcripts", True) else {"best_model_criterion"}
    )
    options = {k: v for k, v in {**given, **extra}.items() if k in trained and k not in skipped}
    return [f"{step.name}: {name}" for name in _unlike(options, trained)]


def _unlike(given: Mapping[str, Any], trained: Mapping[str, Any]) -> Iterator[str]:
    for key, value in given.items():
        other = trained.get(key)
        if isinstance(value, dict) and isinstance(other, dict):
            yield from (f"{key}.{name}" for name in _unlike(value, other))
        elif _plain(value) != _plain(other):
            yield key


def _plain(value: Any) -> Any:
    """Return a value as it is whether YAML took a number such as 1e-3 for a text or not."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    try:
        return float(value)
    except (TypeError, ValueError):
        return value
