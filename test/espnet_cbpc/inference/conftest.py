# SPDX-License-Identifier: Apache-2.0
"""Models that the tests of inference share."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # which pytest's importlib mode does not


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Return the folder of the tiny models."""
    import tiny_models as tiny  # here and below: not for tests that do without ESPnet
    import torch
    from espnet2.tasks.asr import ASRTask
    from espnet2.tasks.enh import EnhancementTask
    from espnet2.tasks.enh_s2t import EnhS2TTask

    folder = tmp_path_factory.mktemp("models")
    conformer, rnn = tiny.CONFORMER, {**tiny.CONFORMER, **tiny.RNN}
    tiny.save_model(folder, "ctc", ASRTask, tiny.asr_options(conformer, 1.0))
    tiny.save_model(folder, "rnn", ASRTask, tiny.asr_options(rnn, 1.0))
    tiny.save_model(folder, "hybrid", ASRTask, tiny.asr_options(conformer, 0.3))
    tiny.save_model(folder, "enh", EnhancementTask, {**tiny.ENH, "criterions": tiny.CRITERIA})
    extra = {"tokenizer.centroids": torch.zeros(4, 16)}
    tiny.save_model(folder, "joint", EnhS2TTask, tiny.joint_options(), extra)
    return folder


@pytest.fixture(scope="session")
def joint(models):
    """Return the tiny joint model, decoding greedily."""
    import tiny_models as tiny

    from espnet_cbpc.inference.enh_speech2text import EnhSpeech2Text

    return EnhSpeech2Text(**tiny.files(models, "enh_asr", "joint"), **tiny.GREEDY)
