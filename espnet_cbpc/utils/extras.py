# SPDX-License-Identifier: Apache-2.0
"""Packages of extras: if one is missing, a message says how to install it."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from espnet_cbpc.utils.cli import UserError, listed

# What must be importable of the extras that are asked for before any work begins.
MODULES: dict[str, tuple[str, ...]] = {
    "train": ("editdistance", "matplotlib", "tensorboard"),
    "report": ("jinja2", "markupsafe", "PIL", "matplotlib", "tensorboard"),
    "demo": (
        *("gradio", "starlette", "espeakng_loader"),
        *("jinja2", "markupsafe", "PIL", "matplotlib", "tensorboard"),
    ),
    "pesq": ("pesq",),
    "dnsmos": ("speechmos", "onnxruntime", "librosa"),  # the first imports the others
}


def missing_extra(what: str, extra: str, *packages: str) -> UserError:
    """Return the error for what cannot be done without an extra.

    Args:
        what: needs it, to begin the message with.
        extra: its name in setup.py.
        packages: which are not installed.
    """
    verb = "is" if len(packages) == 1 else "are"
    return UserError(
        f"{what} needs {listed(packages)}, which {verb} not installed: "
        f"pip install 'espnet-cbpc[{extra}]'"
    )


@contextmanager
def needs_extra(what: str, extra: str) -> Iterator[None]:
    """Import in this block what an extra provides.

    Args:
        what: needs it, for the message.
        extra: its name in setup.py.

    Raises:
        UserError: a package is not installed, or another one has its name.
    """
    try:
        yield
    except ImportError as e:
        if (e.name or "").partition(".")[0] == __name__.partition(".")[0]:
            raise  # a fault of ours
        raise missing_extra(what, extra, (e.name or str(e)).partition(".")[0]) from e


def missing_modules(extra: str) -> list[str]:
    """Return which of an extra's ``MODULES`` cannot be found; none of them is imported."""
    return [module for module in MODULES[extra] if find_spec(module) is None]


def check_extra(what: str, extra: str) -> None:
    """Raise ``UserError`` where one of an extra's ``MODULES`` cannot be found.

    Args:
        what: needs them, for the message.
        extra: its name in setup.py.
    """
    missing = missing_modules(extra)
    if missing:
        raise missing_extra(what, extra, *missing)
