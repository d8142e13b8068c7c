"""The systems of a comparison: training configurations, each a base with changes."""

import copy
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import read_yaml

KEYS = {"title", "config", "changes", "tokenizer"}


class System(NamedTuple):
    """One joint training.

    Attributes:
        name: for file names.
        title: for tables.
        config: of the training.
        tokenizer: of the tokenizer's fit.
    """

    name: str
    title: str
    config: Dict[str, Any]
    tokenizer: Dict[str, Any]


def read_comparison(
    path: Union[str, Path],
    tokenizer_config: Union[str, Path],
    names: Optional[Sequence[str]] = None,
) -> List[System]:
    """Read a comparison.

    Args:
        path: YAML with ``systems``: by name, a ``title``, a ``config`` (file of a joint training) and
            optional ``changes`` of it and of the ``tokenizer``, see :func:`merged`. ``changes`` on
            top are those of all.
        tokenizer_config: file of the tokenizer that systems have unless they change it.
        names: which systems; None: all.

    Raises:
        UserError: a file or key that does not exist, or no such system.
    """
    systems, common = _parts(path)
    unknown = [name for name in names or [] if name not in systems]
    if unknown:
        raise UserError(f"{path}: no system {listed(unknown)}; there are {', '.join(systems)}")
    tokenizer = read_yaml(tokenizer_config)
    return [
        _system(path, name, systems[name], common, tokenizer) for name in names or list(systems)
    ]


def read_multicondition_asr(
    path: Union[str, Path], asr_config: Union[str, Path]
) -> Dict[str, Any]:
    """Read the training of the ASR model that has no SE, for as long as that of the systems.

    Args:
        path: YAML of a comparison.
        asr_config: file of the ASR training.

    Returns:
        The latter, with those of the comparison's common ``changes`` whose keys it has.

    Raises:
        UserError: a file that does not exist or is no comparison.
    """
    config = read_yaml(asr_config)
    _, common = _parts(path)
    return merged(config, {key: value for key, value in common.items() if key in config})


def _parts(path: Union[str, Path]) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """Return the systems of a comparison and the changes common to them."""
    content = read_yaml(path)
    systems = content.get("systems")
    if not isinstance(systems, dict) or set(content) - {"changes", "systems"}:
        raise UserError(f"{path}: must hold systems, and else only changes")
    return systems, content.get("changes") or {}


def _system(path, name: str, entry: Any, common: Mapping, tokenizer: Mapping) -> System:
    if not isinstance(entry, dict) or not {"title", "config"} <= set(entry) <= KEYS:
        raise UserError(
            f"{path}: system {name} must have a title and a config, and else only changes and tokenizer"
        )
    config = merged(read_yaml(entry["config"]), common)
    return System(
        name,
        entry["title"],
        merged(config, entry.get("changes") or {}),
        merged(tokenizer, entry.get("tokenizer") or {}),
    )


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Dict[str, Any]:
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


def _merged_items(key: str, items: List[Dict], changes: Mapping[str, Any]) -> List[Dict]:
    names = [item["name"] for item in items]
    unknown = [name for name in changes if name not in names]
    if unknown:
        raise UserError(f"changes of {key}: no {listed(unknown)} among {', '.join(names)}")
    return [
        merged(item, changes.get(item["name"], {}))
        for item in items
        if changes.get(item["name"], {}) is not None
    ]
