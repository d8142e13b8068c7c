# SPDX-License-Identifier: Apache-2.0
"""The joint systems of a recipe: those of its configurations, or those of a comparison."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Union

from espnet_cbpc.recipe.options import RecipeOptions
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import read_yaml

KEYS = {"title", "config", "changes", "tokenizer"}


@dataclass(frozen=True)
class JointSystem:
    """One joint training.

    Attributes:
        key: what options call it: its name in the comparison, or its file's.
        name: for file names, without the seed; the key, and what the options say of the training.
        title: for tables.
        config: of the training.
        tokenizer: of the tokenizer's fit.
        tokenizer_name: for file names.
    """

    key: str
    name: str
    title: str
    config: Mapping[str, Any]
    tokenizer: Mapping[str, Any]
    tokenizer_name: str

    @property
    def label(self) -> str:
        """Return how reports call it, unlike any other."""
        return f"{self.title} ({self.name})"


def joint_systems(options: RecipeOptions) -> list[JointSystem]:
    """Return the joint systems, the main one last.

    Raises:
        UserError: a file or key that does not exist, no such system, or two of one name.
    """
    suffix = "" if options.asr_update else "_frozen_asr"
    suffix += "" if options.use_transcripts else "_no_transcripts"
    tokenizer = read_yaml(options.tokenizer_conf)
    stem = Path(options.tokenizer_conf).stem
    if options.comparison:
        found = _compared(options.comparison, options.systems, tokenizer, stem, suffix)
    else:
        paths = [*options.baseline_configs, options.enh_asr_config]
        found = [_configured(path, tokenizer, stem, suffix) for path in paths]
        if options.enh_asr_tag:
            tag = options.enh_asr_tag
            found[-1] = replace(found[-1], key=tag, name=tag)
    names = [system.name for system in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UserError(f"several joint systems are named {listed(sorted(twice))}: rename a file")
    return found


def multicondition_config(options: RecipeOptions) -> dict[str, Any]:
    """Return the configuration of the further training of the ASR model.

    In a comparison it has the changes that are common to all systems, of keys that it has.
    """
    config = read_yaml(options.multicondition_asr_config)
    if not options.comparison:
        return config
    _, common = _parts(options.comparison)
    return merged(config, {key: value for key, value in common.items() if key in config})


def _configured(
    path: str, tokenizer: Mapping[str, Any], tokenizer_name: str, suffix: str
) -> JointSystem:
    config = read_yaml(path)
    title = config.pop("title", Path(path).stem)
    key = Path(path).stem
    return JointSystem(key, key + suffix, title, config, tokenizer, tokenizer_name)


def _compared(
    path: str, names: Sequence[str], tokenizer: Mapping[str, Any], stem: str, suffix: str
) -> list[JointSystem]:
    """Return the systems of a comparison.

    Args:
        path: YAML with ``systems``: by name, a ``title``, a ``config`` (file of a joint training)
            and optional ``changes`` of it and of the ``tokenizer``, see :func:`merged`. ``changes``
            on top are those of all.
        names: which systems; none: all.
        tokenizer: configuration that systems have unless they change it.
        stem: the name of its file.
        suffix: of the systems' names.
    """
    systems, common = _parts(path)
    unknown = [name for name in names if name not in systems]
    if unknown:
        raise UserError(f"{path}: no system {listed(unknown)}; there are {', '.join(systems)}")
    found = []
    for name in names or systems:
        entry = _checked(path, name, systems[name])
        config = merged(read_yaml(entry["config"]), common)
        config.pop("title", None)
        fit = merged(tokenizer, entry.get("tokenizer") or {})
        # what the tokenizer is tells its name, so that another comparison finds it again
        words = "_".join(f"{key}{value}" for key, value in fit.items() if key != "seed")
        found.append(
            JointSystem(
                name,
                name + suffix,
                entry["title"],
                merged(config, entry.get("changes") or {}),
                fit,
                f"{stem}_{words}",
            )
        )
    return found


def _parts(path: Union[str, Path]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the systems of a comparison and the changes common to them."""
    content = read_yaml(path)
    systems = content.get("systems")
    if not isinstance(systems, dict) or set(content) - {"changes", "systems"}:
        raise UserError(f"{path}: must hold systems, and optionally changes")
    return systems, content.get("changes") or {}


def _checked(path: Union[str, Path], name: str, entry: Any) -> Mapping[str, Any]:
    if not isinstance(entry, dict) or not {"title", "config"} <= set(entry) <= KEYS:
        raise UserError(
            f"{path}: system {name} must have a title and a config, and optionally changes "
            "and tokenizer"
        )
    return entry


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``changes``.

    A mapping is merged into a mapping, and item by item into a list of items that have a ``name``,
    where null takes the item out; anything else replaces what was there.

    Raises:
        UserError: no item of that name.
    """
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            result[key] = merged(old, value)
        elif isinstance(value, dict) and isinstance(old, list):
            result[key] = _merged_items(key, old, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _merged_items(
    key: str, items: list[dict[str, Any]], changes: Mapping[str, Any]
) -> list[dict[str, Any]]:
    names = [item["name"] for item in items]
    unknown = [name for name in changes if name not in names]
    if unknown:
        raise UserError(f"changes of {key}: no {listed(unknown)} among {', '.join(names)}")
    return [
        merged(item, changes.get(item["name"], {}))
        for item in items
        if changes.get(item["name"], {}) is not None
    ]
