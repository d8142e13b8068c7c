# SPDX-License-Identifier: Apache-2.0
"""A small experiment, made up: two sets, three systems, a training, a tokenizer, a map."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # which pytest's importlib mode does not

import html_report_files as made

from espnet_cbpc.html_report.embedding_map import map_frames
from espnet_cbpc.scoring.report.gather import write_report


@pytest.fixture(scope="session")
def experiment(tmp_path_factory):
    """The folder of all that; it is only read."""
    root = tmp_path_factory.mktemp("experiment")
    made.systems_and_sets(root)
    made.training(root / "exp_joint")
    (root / "exp_brought").mkdir()
    made.tokenizer(root / "tokenizer")
    map_frames(*made.clusters(), source="80 frames").save(root / "map.npz")
    write_report(
        {system: root / f"sys{i}" for i, system in enumerate(made.SYSTEMS)},
        root / "raw", ["test_clean", "test_seen"], root / "RESULTS.md", header=made.FACTS,
    )  # fmt: skip
    return root


@pytest.fixture(scope="session")
def command(experiment):
    """The arguments of the command, but for the output."""
    systems = [f"{system}={experiment / f'sys{i}'}" for i, system in enumerate(made.SYSTEMS)]
    trainings = [f"{name}={experiment / f'exp_{name}'}" for name in ("joint", "brought")]
    return [
        f"--results={experiment / 'results.json'}", f"--data_root={experiment / 'raw'}",
        "--systems", *systems, "--experiments", *trainings,
        f"--tokenizer={experiment / 'tokenizer'}", f"--embedding_map={experiment / 'map.npz'}",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def page(command, experiment):
    """The page of the whole experiment, a file."""
    from espnet_cbpc.bin import html_report

    path = experiment / "report.html"
    html_report.main([*command, f"--output={path}"])
    return path
