# SPDX-License-Identifier: Apache-2.0
"""Categories of utterances."""

import numpy as np
import pytest
import torch

from espnet_cbpc.model.category import CLEAN, REAL, SIMU, batch_categories, category_index
from espnet_cbpc.utils.cli import UserError


def test_each_utterance_is_judged_by_its_own_id():
    ids = ["M01_BUS_REAL", "M01_BUS_SIMU", "x_CLEAN", "plain"]
    assert batch_categories(None, ids, 4).tolist() == [REAL, SIMU, CLEAN, SIMU]
    assert batch_categories(None, None, 2).tolist() == [SIMU, SIMU]


def test_the_table_wins_over_the_ids():
    assert batch_categories(torch.tensor([[1], [2]]), ["a_CLEAN", "b"], 2).tolist() == [1, 2]


def test_unknown_categories_are_named():
    with pytest.raises(UserError, match="utterance u1 is of category 'NOISE': .*SIMU, REAL, CLEAN"):
        category_index("NOISE", "u1")
    with pytest.raises(UserError, match="numbers that are no category: 7"):
        batch_categories(torch.tensor([[0], [7]]), None, 2)


def test_preprocessor_turns_the_word_into_a_number(task, tiny_args):
    preprocess = task.build_preprocess_fn(tiny_args(), train=True)
    data = {"utt2category": "CLEAN", "text_spk1": "one two", "speech": np.zeros(8, np.float32)}
    data = preprocess("u", data)
    assert data["utt2category"].tolist() == [CLEAN]
    assert data["text_spk1"].tolist() == [2, 3]
