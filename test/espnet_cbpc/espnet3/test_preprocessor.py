# SPDX-License-Identifier: Apache-2.0
"""The task's preprocessing in ESPnet3: what it does, and what it refuses."""

import numpy as np
import pytest

from espnet_cbpc.utils.cli import UserError


@pytest.fixture
def preprocessor(tiny_config):
    """Function: the preprocessor of the tiny model's options, changed by keywords."""
    from espnet_cbpc.espnet3.preprocessor import Preprocessor

    return lambda **changes: Preprocessor({**tiny_config, **changes}, train=True)


def test_words_become_tokens_and_categories_numbers(preprocessor):
    speech = np.ones(3, dtype=np.float32)
    data = {"speech": speech, "text_spk1": "two one three", "utt2category": "CLEAN"}
    data = preprocessor()("a", data)
    assert data["text_spk1"].tolist() == [3, 2, 1] and data["utt2category"].tolist() == [2]
    assert np.array_equal(data["speech"], speech)


@pytest.mark.parametrize(
    "option, message",
    [
        ({"joint_cnf": {}}, "model: the task has no option joint_cnf"),
        ({"init_param": ["a.pth::s2t_model"]}, "support init_param; .*InitParam in trainer"),
        (
            {"dynamic_mixing_conf": {"fs": 8000}},
            "support dynamic_mixing_conf; train with python -m",
        ),
    ],
)
def test_options_that_espnet3_would_ignore_are_refused(preprocessor, option, message):
    with pytest.raises(UserError, match=message):
        preprocessor(**option)
