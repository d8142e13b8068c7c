"""The systems of a comparison: training configurations, each a base with changes."""

import copy
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union

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
            optional ``changes`` of it and of the ``tokenizer``; mappings within changes are merged
            into those of the base, anything else replaces it. ``changes`` on top are those of all.
        tokenizer_config: file of the tokenizer that systems have unless they change it.
        names: which systems; None: all.

    Raises:
        UserError: a file or key that does not exist, or no such system.
    """
    content = read_yaml(path)
    systems = content.get("systems")
    if not isinstance(systems, dict) or set(content) - {"changes", "systems"}:
        raise UserError(f"{path}: must hold systems, and else only changes")
    unknown = [name for name in names or [] if name not in systems]
    if unknown:
        raise UserError(f"{path}: no system {listed(unknown)}; there are {', '.join(systems)}")
    tokenizer = read_yaml(tokenizer_config)
    common = content.get("changes") or {}
    return [
        _system(path, name, systems[name], common, tokenizer) for name in names or list(systems)
    ]


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
    """Return ``base`` with ``changes``; mappings in both are merged, anything else is replaced."""
    result = copy.deepcopy(dict(base))
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result
