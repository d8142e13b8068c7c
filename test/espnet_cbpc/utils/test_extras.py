# SPDX-License-Identifier: Apache-2.0
import runpy

import pytest
from packaging.requirements import Requirement

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.extras import MODULES, check_extra, needs_extra


def test_what_is_missing_and_its_remedy_are_told():
    message = "^PESQ needs no_such, which is not installed: pip install 'espnet-cbpc\\[pesq\\]'$"
    with pytest.raises(UserError, match=message):
        with needs_extra("PESQ", "pesq"):
            import no_such.module  # noqa: F401


def test_what_is_there_is_imported():
    with needs_extra("this", "test"):
        import math
    assert math.pi > 3


def test_a_fault_of_this_package_is_not_taken_for_an_extra():
    with pytest.raises(ImportError, match="no_such_part"):
        with needs_extra("this", "test"):
            from espnet_cbpc import no_such_part  # noqa: F401


def test_all_that_is_missing_is_told_at_once(monkeypatch):
    monkeypatch.setitem(MODULES, "report", ("math", "json"))
    check_extra("a report", "report")
    monkeypatch.setitem(MODULES, "report", ("math", "no_a", "no_b"))
    with pytest.raises(UserError, match="^a report needs no_a, no_b, which are not installed"):
        check_extra("a report", "report")


def test_what_is_asked_for_is_what_the_extras_bring(repository, monkeypatch):
    import setuptools

    given = {}
    monkeypatch.setattr(setuptools, "setup", lambda **options: given.update(options))
    runpy.run_path(str(repository / "setup.py"))
    packages = {"PIL": "pillow", "espeakng_loader": "espeakng-loader"}
    for extra, modules in MODULES.items():
        brought = {Requirement(package).name for package in given["extras_require"][extra]}
        assert {packages.get(module, module) for module in modules} == brought
