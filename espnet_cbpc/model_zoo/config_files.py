# SPDX-License-Identifier: Apache-2.0
"""The files that a model's configuration names: find them, make their paths absolute, copy them."""

import copy
import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Optional

from espnet_cbpc.utils.cli import UserError, listed

# Options whose value is a file if it is a string; others may stand anywhere in a *_conf. ESPnet does
# without the second one if it is missing, with a warning.
FILE_OPTIONS = {"bpemodel": True, "non_linguistic_symbols": False, "token_list": True}
# Of the options in a *_conf those that must be there if they are given.
FILE_ARGUMENTS = ("stats_file",)


class _Slot(NamedTuple):
    """A place in the configuration that may name a file."""

    holder: Any  # a dict or a list, as the key is
    key: Any
    required: bool

    @property
    def value(self) -> str:
        return str(self.holder[self.key])


def _slots(config: dict[str, Any]) -> Iterator[_Slot]:
    for option, required in FILE_OPTIONS.items():
        # Whisper's tokenizers have the names of their types
        if isinstance(config.get(option), str) and config[option] != config.get("token_type"):
            yield _Slot(config, option, required)
    for option, value in config.items():
        if option.endswith("_conf"):
            yield from _slots_below(value)


def _slots_below(value: Any) -> Iterator[_Slot]:
    if isinstance(value, dict):
        items = list(value.items())
    else:
        items = list(enumerate(value)) if isinstance(value, list) else []
    for key, inner in items:
        if isinstance(inner, str):
            yield _Slot(value, key, key in FILE_ARGUMENTS)
        else:
            yield from _slots_below(inner)


def with_absolute_paths(config: Mapping[str, Any], origin: Path) -> dict[str, Any]:
    """Return a copy of a configuration whose files are found from any working directory.

    A path that is not absolute is looked for beside the configuration, then in the folders above
    it (a training writes paths from its recipe's folder), then in the working directory.

    Args:
        config: what ``config.yaml`` of a model holds.
        origin: that file.

    Raises:
        UserError: a file that the model needs is missing.
    """
    absolute = copy.deepcopy(dict(config))
    missing = []
    for slot in list(_slots(absolute)):
        found = _find(slot.value, origin)
        if found is not None:
            slot.holder[slot.key] = str(found)
        elif slot.required:
            missing.append(f"{slot.key}: {slot.value}")
        elif slot.key in FILE_OPTIONS:
            logging.warning(
                "%s: %s, which it names as %s, is missing", origin, slot.value, slot.key
            )
    if missing:
        raise UserError(
            f"{origin}: {len(missing)} file(s) that the configuration names do not exist "
            f"({listed(missing)}): copy them beside it, or correct the paths in it"
        )
    return absolute


def _find(value: str, origin: Path) -> Optional[Path]:
    if not value or len(value) > 4096 or "\n" in value:
        return None
    folders = (*origin.resolve().parents, Path.cwd())
    for candidate in (folder / value for folder in folders):  # an absolute value is left unchanged
        if candidate.is_file():
            return candidate.absolute()
    return None


def bring_files(config: dict[str, Any], folder: Path, known_as: Path = Path()) -> list[str]:
    """Copy the files that ``config`` names into ``folder``, and name the copies instead.

    Args:
        config: changed in place; its paths are absolute or from the working directory.
        folder: where the copies go.
        known_as: how ``config`` is to call that folder; by default it has the bare names.

    Returns:
        The names.

    Raises:
        UserError: a file that the model needs is missing.
    """
    brought: dict[str, str] = {}  # source by name
    for slot in list(_slots(config)):
        source = Path(slot.value)
        if not slot.value or not source.is_file():
            if slot.required:
                raise UserError(
                    f"{source}: the configuration names this file, but it does not exist"
                )
            continue
        name = _free_name(source, brought)
        if name not in brought:
            shutil.copyfile(source, folder / name)
            brought[name] = str(source)
        slot.holder[slot.key] = str(known_as / name)
    return list(brought)


def _free_name(source: Path, brought: Mapping[str, str]) -> str:
    name, number = source.name, 2
    while brought.get(name, str(source)) != str(source):  # another file of the same name
        name = f"{source.stem}{number}{source.suffix}"
        number += 1
    return name
