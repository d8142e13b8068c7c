# SPDX-License-Identifier: Apache-2.0
import pytest

from espnet_cbpc.recipe.options import RecipeOptions
from espnet_cbpc.recipe.packages import check_packages
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.extras import MODULES


@pytest.mark.parametrize(
    "stage, extra", [(6, "train"), (13, "train"), (15, "pesq"), (16, "report")]
)
def test_a_stage_asks_for_its_extra(stage, extra, monkeypatch):
    options = RecipeOptions()
    for name in ("train", "pesq", "report"):
        monkeypatch.setitem(MODULES, name, ("no_such",) if name == extra else ("math",))
    check_packages([1, 5], options)
    with pytest.raises(UserError, match=rf"no_such, .*\[{extra}\]"):
        check_packages([1, stage], options)


def test_all_that_is_missing_is_told_at_once(monkeypatch):
    monkeypatch.setitem(MODULES, "train", ("math", "no_plots", "no_curves"))
    monkeypatch.setitem(MODULES, "pesq", ("math",))
    monkeypatch.setitem(MODULES, "report", ("no_plots",))
    message = r"needs no_plots, no_curves, which are .* pip install 'espnet-cbpc\[train,report\]'$"
    with pytest.raises(UserError, match=message):
        check_packages(range(1, 19), RecipeOptions())


def test_without_speech_quality_no_pesq_is_needed(monkeypatch):
    monkeypatch.setitem(MODULES, "pesq", ("no_such",))
    check_packages([15], RecipeOptions(quality_sets=("none",)))
