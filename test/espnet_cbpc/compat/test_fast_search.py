# SPDX-License-Identifier: Apache-2.0
"""The search without repeated work finds what ESPnet's search finds."""

import copy

import pytest
import torch
from espnet2.asr.ctc import CTC
from espnet2.asr.decoder.transformer_decoder import TransformerDecoder

from espnet_cbpc.compat.fast_search import SharedLinear, VectorisedCTCPrefixScorer, speed_up
from espnet_cbpc.compat.legacy import BatchBeamSearch, BeamSearch, CTCPrefixScorer, LengthBonus

VOCABULARY, DIM = 12, 16


def search(ctc_weight, beam_size, kind=BatchBeamSearch):
    torch.manual_seed(0)
    decoder = TransformerDecoder(VOCABULARY, DIM, attention_heads=2, linear_units=32, num_blocks=2)
    ctc = CTC(VOCABULARY, DIM)
    for parameter in (*decoder.parameters(), *ctc.parameters()):
        if parameter.dim() > 1:  # for varied texts
            parameter.data.mul_(2)
    end = VOCABULARY - 1
    return kind(
        scorers={
            "decoder": decoder,
            "ctc": CTCPrefixScorer(ctc, end),
            "length_bonus": LengthBonus(VOCABULARY),
        },
        weights={"decoder": 1 - ctc_weight, "ctc": ctc_weight, "length_bonus": 0.1},
        beam_size=beam_size,
        sos=end,
        eos=end,
        vocab_size=VOCABULARY,
        token_list=[str(i) for i in range(VOCABULARY)],
        pre_beam_score_key=None if ctc_weight == 1.0 else "full",
    ).eval()


@pytest.mark.parametrize("ctc_weight, beam_size", [(0.3, 4), (0.3, 10), (1.0, 4), (0.5, 1)])
@torch.no_grad()
def test_hypotheses_are_those_of_espnet(ctc_weight, beam_size):
    stock = search(ctc_weight, beam_size)
    fast = copy.deepcopy(stock)
    speed_up(fast)
    assert isinstance(fast.part_scorers["ctc"], VectorisedCTCPrefixScorer)
    torch.manual_seed(1)
    texts = set()
    for frames in (1, 2, 24, 30):
        x = torch.randn(frames, DIM)
        expected, found = stock(x), fast(x)
        assert [h.yseq.tolist() for h in found] == [h.yseq.tolist() for h in expected]
        scores = torch.tensor([[float(h.score) for h in hyps] for hyps in (found, expected)])
        torch.testing.assert_close(scores[0], scores[1], rtol=1e-5, atol=1e-4)
        texts.add(tuple(found[0].yseq.tolist()))
    assert len(texts) == 4


def test_another_search_stays_as_it_is():
    other = search(0.3, 4, BeamSearch)
    speed_up(other)
    assert type(other.part_scorers["ctc"]) is CTCPrefixScorer
    assert isinstance(other.scorers["decoder"].decoders[0].src_attn.linear_k, torch.nn.Linear)


class Counting(torch.nn.Linear):
    """Counts the rows that it projects."""

    rows = 0

    def forward(self, x):
        self.rows += len(x)
        return super().forward(x)


@torch.no_grad()
def test_repeated_rows_are_projected_once():
    linear = Counting(4, 4)
    shared = SharedLinear(linear)
    x = torch.randn(5, 4)
    for copies in (3, 7):
        torch.testing.assert_close(shared(x.expand(copies, 5, 4))[-1], linear(x[None])[0])
    assert linear.rows == 1 + 2  # and two of the comparison
    other = torch.randn(2, 5, 4)
    torch.testing.assert_close(shared(other), linear(other))
    x.add_(1)  # in place, in the memory that was seen
    torch.testing.assert_close(shared(x.expand(3, 5, 4))[1], linear(x))


def test_gradients_are_not_cut_off():
    shared = SharedLinear(torch.nn.Linear(4, 4))
    for _ in range(2):
        shared(torch.randn(5, 4).expand(3, 5, 4)).sum().backward()
    assert shared.linear.weight.grad.abs().sum() > 0


def test_inference_mode_is_no_hindrance():
    linear = torch.nn.Linear(4, 4)
    with torch.inference_mode():
        x = torch.randn(5, 4)
        torch.testing.assert_close(SharedLinear(linear)(x.expand(3, 5, 4))[2], linear(x))
