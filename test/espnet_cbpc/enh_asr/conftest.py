"""Models that the tests of inference share."""

import sys
from pathlib import Path

import pytest
import torch
from espnet2.tasks.asr import ASRTask
from espnet2.tasks.enh import EnhancementTask
from espnet2.tasks.enh_s2t import EnhS2TTask

sys.path.insert(0, str(Path(__file__).parent))  # which pytest's importlib mode does not
from tiny_models import (  # noqa: E402
    CONFORMER,
    CRITERIA,
    ENH,
    GREEDY,
    RNN,
    asr_options,
    files,
    joint_options,
    save_model,
)

from espnet_cbpc.enh_asr.inference import EnhSpeech2Text  # noqa: E402


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Return the folder of the tiny models."""
    folder = tmp_path_factory.mktemp("models")
    save_model(folder, "ctc", ASRTask, asr_options(CONFORMER, 1.0))
    save_model(folder, "rnn", ASRTask, asr_options({**CONFORMER, **RNN}, 1.0))
    save_model(folder, "hybrid", ASRTask, asr_options(CONFORMER, 0.3))
    save_model(folder, "enh", EnhancementTask, {**ENH, "criterions": CRITERIA})
    extra = {"tokenizer.centroids": torch.zeros(4, 16)}
    save_model(folder, "joint", EnhS2TTask, joint_options(), extra)
    return folder


@pytest.fixture(scope="session")
def joint(models):
    return EnhSpeech2Text(**files(models, "enh_asr", "joint"), **GREEDY)
