# SPDX-License-Identifier: Apache-2.0
"""ESPnet's run-time type checks, prepared when a function is first called.

``typeguard.typechecked`` compiles every function that it decorates again, from the source of its whole
module, while ESPnet is being imported: more than half of the time that a process takes to start, and
most of these functions are never called. The checks themselves are left unchanged.
"""

import functools
import inspect

import typeguard

PROVEN_ON = ("202511", "202611")

_typechecked = typeguard.typechecked


def typechecked(target=None, **options):
    """Return ``target`` with its types checked, as ``typeguard.typechecked`` does, but later.

    Args:
        target: a function; anything else goes to typeguard at once.
        options: those of ``typeguard.typechecked``.
    """
    if target is None:
        return functools.partial(typechecked, **options)
    if not inspect.isfunction(target):
        return _typechecked(target, **options)
    prepare = functools.cache(functools.partial(_typechecked, target, **options))

    @functools.wraps(target)
    def checked(*args, **kwargs):
        return prepare()(*args, **kwargs)

    return checked


def install() -> None:
    """Let the modules that are imported from now on prepare their checks late."""
    typeguard.typechecked = typechecked
