# SPDX-License-Identifier: Apache-2.0
"""Fake steps: each writes a file, and says that it has."""

from pathlib import Path

import pytest

from espnet_cbpc.recipe.inputs import Digests
from espnet_cbpc.recipe.jobs import Jobs
from espnet_cbpc.recipe.ledger import Ledger, State
from espnet_cbpc.recipe.step import Step


class Workshop:
    """A ledger, and steps to run by it."""

    def __init__(self):
        self.ran: list[str] = []

    @property
    def ledger(self) -> Ledger:
        """Return a new one, as another run has it."""
        return Ledger(Digests(Path("exp/.steps/digests.json")))

    def step(self, name="model", inputs=None, output=None, **more) -> Step:
        """Return a step that writes exp/NAME/made, which holds its inputs."""
        folder = Path(output or f"exp/{name}")

        def run(jobs, steps):
            self.ran += [step.name for step in steps]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "made").write_text(str(inputs))

        return Step(name, inputs or {}, (folder,), run, **more)

    def do(self, step: Step, interrupt: bool = False) -> State:
        """Run a step as a recipe does, or up to its middle; returns the state it was found in."""
        ledger = self.ledger
        with ledger.lock(step):
            found = ledger.status(step)
            if found.state is not State.DONE:
                found_now = ledger.begin(step, found)
                if found_now.state is not State.DONE:
                    step.run(Jobs(), [step])
                    if not interrupt:
                        ledger.finish(step)
        return found.state


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Workshop()
