# SPDX-License-Identifier: Apache-2.0
"""Token times by forced alignment, against all alignments tried one by one."""

import itertools

import pytest
import torch

from espnet_cbpc.inference.decoded_utterance import (
    NOTHING,
    DecodedUtterance,
    TokenTime,
    find_token_times,
)


def collapsed(path):
    return [label for label, _ in itertools.groupby(path) if label]


def best_path(log_probs, token_ids):
    frames, vocabulary = log_probs.shape
    paths = itertools.product(range(vocabulary), repeat=frames)
    fitting = [path for path in paths if collapsed(path) == token_ids]
    return max(fitting, key=lambda path: sum(float(log_probs[t, v]) for t, v in enumerate(path)))


@pytest.mark.parametrize("token_ids", [[1], [1, 2], [2, 2], [1, 2, 1]])
def test_times_are_those_of_the_most_probable_path(token_ids):
    torch.manual_seed(len(token_ids))
    log_probs = torch.randn(6, 3).log_softmax(-1)
    path = best_path(log_probs, token_ids)
    runs = [(label, list(group)) for label, group in itertools.groupby(range(6), path.__getitem__)]
    expected = [(g[0] * 0.5, (g[-1] + 1) * 0.5) for label, g in runs if label]
    times = find_token_times(log_probs, token_ids, [f"t{i}" for i in token_ids], seconds=3.0)
    assert [time.token for time in times] == [f"t{i}" for i in token_ids]
    assert [(time.start, time.end) for time in times] == expected


def test_what_does_not_fit_has_no_times():
    log_probs = torch.zeros(3, 4).log_softmax(-1)
    assert (
        find_token_times(log_probs, [1, 1, 2], ["a", "a", "b"], 1.0) is None
    )  # a blank must part the two
    assert len(find_token_times(log_probs, [1, 2, 1], ["a", "b", "a"], 1.0)) == 3
    assert find_token_times(log_probs, [], [], 1.0) == []


def test_as_json_has_it():
    assert DecodedUtterance([NOTHING]).as_dict() == {
        "text": "",
        "nbest": [{"text": "", "tokens": [], "token_ids": [], "score": 0.0}],
        "token_times": None,
    }
    times = [TokenTime("a", 0.25, 0.5)]
    assert DecodedUtterance([NOTHING], times).as_dict()["token_times"] == [
        {"token": "a", "start": 0.25, "end": 0.5}
    ]
