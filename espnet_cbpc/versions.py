"""The versions this release was tested with: the one place where they stand.

``setup.py`` and ``tools/setup_env.sh`` read the constants from this file without importing the
package, so they must stay plain literals, and nothing heavy may be imported at module level.
"""

import logging
import platform
from typing import Dict

PYTHON = ">=3.9,<3.13"
TESTED: Dict[str, str] = {
    "espnet": ">=202511,<202512",
    "torch": ">=2.8,<2.13",
}


def check_versions() -> None:
    """Compare what is installed with what this release was tested with.

    A version outside the tested range is logged as a warning, for it may well work.

    Raises:
        UserError: A package of ``TESTED`` is not installed.
    """
    from importlib.metadata import PackageNotFoundError, version

    from packaging.specifiers import SpecifierSet

    from espnet_cbpc.utils.cli import UserError

    installed = {"python": platform.python_version()}
    for name, tested in TESTED.items():
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            raise UserError(
                f"{name} is not installed; install it with: pip install '{name}{tested}'"
            ) from None
    for name, tested in {"python": PYTHON, **TESTED}.items():
        if not SpecifierSet(tested).contains(installed[name], prereleases=True):
            logging.warning(
                "%s %s is installed, but espnet-cbpc was tested with %s %s",
                name,
                installed[name],
                name,
                tested,
            )
