# SPDX-License-Identifier: Apache-2.0
"""The versions this release was tested with, defined only here.

``setup.py`` and ``tools/setup_env.sh`` read the constants from this file without importing the
package, so they must stay plain literals, and nothing heavy may be imported at module level.
"""

import logging
import platform

# What can be installed: ESPnet's own releases say which Python and which torch they take.
PYTHON = ">=3.9,<3.14"
ESPNET = ">=202511"
# What the tests were run with; outside of it, a command warns.
TESTED: dict[str, str] = {
    "espnet": ">=202511,<202612",
    "torch": ">=2.8,<2.15",
}


def check_versions() -> None:
    """Compare what is installed with what this release was tested with.

    A package outside the tested range is logged as a warning, for it may well work.

    Raises:
        UserError: a Python outside of ``PYTHON``, or a package of ``TESTED`` that is not installed.
    """
    from importlib.metadata import PackageNotFoundError, version

    from packaging.specifiers import SpecifierSet

    from espnet_cbpc.utils.cli import UserError

    python = platform.python_version()
    if not SpecifierSet(PYTHON).contains(python, prereleases=True):
        raise UserError(f"this is Python {python}, but espnet-cbpc needs Python {PYTHON}")
    for name, tested in TESTED.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            raise UserError(
                f"{name} is not installed; install it with: pip install '{name}{tested}'"
            ) from None
        if not SpecifierSet(tested).contains(installed, prereleases=True):
            logging.warning(
                "%s %s is installed, but espnet-cbpc was tested with %s %s",
                name,
                installed,
                name,
                tested,
            )
