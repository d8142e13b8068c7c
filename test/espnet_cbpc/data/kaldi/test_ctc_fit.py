# SPDX-License-Identifier: Apache-2.0
"""Transcripts that CTC can and cannot learn from."""

import pytest
import torch

from espnet_cbpc.data.kaldi.ctc_fit import check_ctc_fit, frames_needed
from espnet_cbpc.data.kaldi.kaldi_dir import write_table
from espnet_cbpc.data.kaldi.token_list import make_token_list, tokenised
from espnet_cbpc.utils.cli import UserError


@pytest.mark.parametrize("tokens, needed", [("", 0), ("a", 1), ("ab", 2), ("aab", 4), ("aaa", 5)])
def test_frames_needed_are_those_of_torch(tokens, needed):
    assert frames_needed(tokens) == needed
    targets = torch.tensor([["ab".index(c) + 1 for c in tokens]])
    for frames in (needed, needed - 1):
        if frames < 1:
            continue
        log_probs = torch.randn(frames, 1, 3).log_softmax(-1)
        loss = torch.nn.functional.ctc_loss(
            log_probs, targets, torch.tensor([frames]), torch.tensor([len(tokens)])
        )
        assert torch.isfinite(loss) == (frames == needed)


TEXTS = {"a": "one two", "b": "six", "c": "see\u3000all"}


def test_what_does_not_fit_is_counted_and_told(caplog):
    tokens = tokenised(TEXTS, "char")
    assert tokens["c"] == ["s", "e", "e", "<space>", "a", "l", "l"]
    assert check_ctc_fit(tokens, {"a": 7, "b": 3, "c": 9}, "data/train") == []
    assert not caplog.messages
    assert check_ctc_fit(tokens, {"a": 7, "b": 2, "c": 8}, "data/train") == ["b", "c"]
    (message,) = caplog.messages
    assert message.startswith(
        "data/train: 2 of 3 transcripts do not fit into the frames of the encoder "
        "(b needs 3 and has 2, c needs 9 and has 8), so that CTC learns nothing from them: use "
    )


def test_where_none_fits_it_stops():
    with pytest.raises(UserError, match="^data/train: 3 of 3 transcripts do not fit into the fra"):
        check_ctc_fit(tokenised(TEXTS, "word"), dict.fromkeys(TEXTS, 0), "data/train")


def test_tokens_are_those_of_the_list(tmp_path):
    write_table(
        tmp_path / "text", {key: text.replace("\u3000", " ") for key, text in TEXTS.items()}
    )
    for token_type in ("word", "char", "bpe"):
        listed = make_token_list(str(tmp_path / "text"), token_type, 15, tmp_path / token_type)
        found = tokenised(TEXTS, token_type, tmp_path / token_type / "bpe.model")
        assert found.keys() == TEXTS.keys()
        assert {token for tokens in found.values() for token in tokens} <= set(listed)
