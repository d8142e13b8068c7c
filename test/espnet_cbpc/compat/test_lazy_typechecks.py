# SPDX-License-Identifier: Apache-2.0
"""Type checks prepared late: the same checks, at the first call."""

import inspect
import pickle
import subprocess
import sys

import pytest
import typeguard

from espnet_cbpc.compat import lazy_typechecks

lazy_typechecks.install()

from typeguard import typechecked


@typechecked
def double(x: int, times: int = 2) -> int:
    """Say it twice."""
    return x * times


@typechecked(collection_check_strategy=typeguard.CollectionCheckStrategy.ALL_ITEMS)
def total(numbers: list[int]) -> int:
    return sum(numbers)


class Model:
    @typechecked
    def __init__(self, size: int = 3):
        self.size = size

    @classmethod
    @typechecked
    def of(cls, size: int):
        return cls(size)

    @staticmethod
    @typechecked
    def name(model: "Model") -> str:
        return f"model of {model.size}"


def test_right_types_pass():
    assert double(2, times=3) == 6 and total([1, 2]) == 3
    assert Model.of(2).size == 2 and Model().size == 3 and Model.name(Model(4)) == "model of 4"


@pytest.mark.parametrize(
    "call",
    [
        lambda: double("2"),
        lambda: total([1, "2"]),  # by typeguard's own choice only the first item would be looked at
        lambda: Model("3"),
        lambda: Model.of("3"),
        lambda: Model.name(3),
    ],
)
def test_wrong_types_are_errors_at_every_call(call):
    for _ in range(2):
        with pytest.raises(typeguard.TypeCheckError, match="is not an instance of int|Model"):
            call()


def test_a_function_is_prepared_once_when_first_called(monkeypatch):
    prepared = []

    def prepare(target, **options):
        prepared.append((target.__name__, options))
        return target

    monkeypatch.setattr(lazy_typechecks, "_typechecked", prepare)

    @typechecked(forward_ref_policy="ignore")
    def f():
        return 1

    assert prepared == []
    assert f() == f() == 1
    assert prepared == [("f", {"forward_ref_policy": "ignore"})]


def test_the_signature_and_the_name_stay():
    assert list(inspect.signature(double).parameters) == ["x", "times"]
    assert inspect.signature(Model).parameters["size"].default == 3  # where ESPnet finds defaults
    assert double.__doc__ == "Say it twice." and pickle.loads(pickle.dumps(double)) is double


def test_a_class_goes_to_typeguard_at_once():
    @typechecked
    class Local:
        def f(self, x: int):
            return x

    with pytest.raises(typeguard.TypeCheckError):
        Local().f("1")


@pytest.mark.parametrize(
    "module, late", [("espnet_cbpc.bin.score", True), ("espnet_cbpc.tasks.asr", False)]
)
def test_the_commands_prepare_late_and_the_library_leaves_typeguard_alone(module, late):
    code = f"import typeguard, {module}; print(typeguard.typechecked.__module__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = done.stdout.split()[-1]
    assert found == ("espnet_cbpc.compat.lazy_typechecks" if late else "typeguard")
