# SPDX-License-Identifier: Apache-2.0
"""What the tests of recipes share: a copy of all recipes to run in."""

import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MINI_SYNTH = ROOT / "egs2" / "mini_synth" / "enh_asr_cbpc1" / "local"  # speech and noise for all
sys.path[:0] = [str(Path(__file__).resolve().parent), str(MINI_SYNTH)]


@pytest.fixture(scope="session")
def give_environment():
    """Function: let the recipes of a tree use the Python that runs the tests."""

    def write(root: Path) -> None:
        setup = root / "tools" / "setup_env.sh"
        setup.parent.mkdir()
        setup.write_text(f'#!/usr/bin/env bash\necho "{Path(sys.executable).parent}"\n')
        setup.chmod(0o755)

    return write


@pytest.fixture(scope="module")
def tree(tmp_path_factory, give_environment):
    """A copy of the recipes."""
    root = tmp_path_factory.mktemp("tree")
    made = ("data", "dump", "exp", "downloads", "rooms", "data_*", "dump_*", "exp_*")
    ignore = shutil.ignore_patterns(*made)
    shutil.copytree(ROOT / "egs2", root / "egs2", symlinks=True, ignore=ignore)
    shutil.copytree(ROOT / "conf", root / "conf")
    give_environment(root)
    return root


@pytest.fixture
def joint_batch(tiny_model):
    """Function: put utterances of a formatted set through a joint model; gives the statistics.

    Up to four utterances of each category are read as training reads them.
    """
    import torch

    from espnet_cbpc.data.audio.audio_file import read_audio
    from espnet_cbpc.data.kaldi.kaldi_dir import DataDir, read_table
    from espnet_cbpc.model.category import category_index

    def compute(recipe: Path, name: str, fs: int):
        data = DataDir.read(recipe / "dump" / "raw" / name)
        kinds = data.categories
        ids = [u for kind in sorted(set(kinds.values())) for u in kinds if kinds[u] == kind]
        chosen = [u for i, u in enumerate(ids) if sum(kinds[v] == kinds[u] for v in ids[:i]) < 4]
        signals = {}
        for table in ("wav.scp", "spk1.scp"):
            paths = read_table(recipe / "dump" / "raw" / name / table)
            read = [read_audio(recipe / paths[u]) for u in chosen]
            assert {rate for _, rate in read} == {fs}
            rows = [torch.from_numpy(samples) for samples, _ in read]
            signals[table] = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(row) for row in rows])
        texts = torch.tensor([[2, 3]] * len(chosen))
        category = torch.tensor([[category_index(kinds[u], u)] for u in chosen])
        model = tiny_model(frontend_conf={"fs": fs, "n_fft": 128, "hop_length": 80, "n_mels": 16})
        loss, stats, _ = model(
            speech=signals["wav.scp"],
            speech_lengths=lengths,
            speech_ref1=signals["spk1.scp"],
            speech_ref1_lengths=lengths,
            text_spk1=texts,
            text_spk1_lengths=torch.full((len(chosen),), 2),
            utt2category=category,
            utt2category_lengths=torch.ones(len(chosen), dtype=torch.long),
            utt_id=chosen,
        )
        assert torch.isfinite(loss)
        return {key: float(value) for key, value in stats.items() if value is not None}

    return compute
