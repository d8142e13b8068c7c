# SPDX-License-Identifier: Apache-2.0
"""ESPnet's beam search without repeated work: the same hypotheses, in less time.

Two things take most of the time of a CTC/attention search: every layer of the decoder projects the
encoder output again for each hypothesis at each token, and the CTC prefix scores are made by a
Python loop over the frames.
"""

from dataclasses import dataclass
from typing import Any, Optional, Union

import torch
from espnet2.asr.decoder.transformer_decoder import BaseTransformerDecoder

from espnet_cbpc.compat.legacy import (
    BatchBeamSearch,
    BeamSearch,
    CTCPrefixScorer,
    MultiHeadedAttention,
)

PROVEN_ON = ("202511", "202611")

LOGZERO = -1e10  # of ESPnet's scores
BLANK = 0


def speed_up(beam_search: BeamSearch) -> None:
    """Replace the slow parts of a search; what cannot be replaced is left unchanged."""
    if type(beam_search) is not BatchBeamSearch:
        return
    scorers = beam_search.scorers
    # a window of CTC scores (202611) is an approximation of another result; a prompt is no label
    exact = not getattr(scorers.get("ctc"), "window_margin", 0) and not beam_search.hyp_primer
    if exact and type(scorers.get("ctc")) is CTCPrefixScorer:
        fast = VectorisedCTCPrefixScorer(scorers["ctc"].ctc, scorers["ctc"].eos)
        scorers["ctc"] = beam_search.part_scorers["ctc"] = fast
    if isinstance(scorers.get("decoder"), BaseTransformerDecoder):
        for layer in scorers["decoder"].decoders:
            attention: Any = getattr(layer, "src_attn", None)
            if type(attention) is MultiHeadedAttention:
                attention.linear_k = SharedLinear(attention.linear_k)
                attention.linear_v = SharedLinear(attention.linear_v)


class SharedLinear(torch.nn.Module):
    """A linear layer that projects once what is repeated over the batch, and over calls.

    Args:
        linear: the layer.
    """

    def __init__(self, linear: torch.nn.Linear):
        super().__init__()
        self.linear = linear
        self._seen: Optional[torch.Tensor] = None  # being held, its memory is no other input's
        self._version = 0
        self._projected: Optional[torch.Tensor] = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Project (B, T, D); where its B rows are one row repeated, that row alone."""
        if x.dim() != 3 or x.stride(0) != 0 or torch.is_grad_enabled():
            return self.linear(x)
        if not self._is_seen(x[0]):
            self._seen, self._version = x[0], _version(x)
            self._projected = self.linear(x[:1])
        assert self._projected is not None  # it comes with what is seen
        return self._projected.expand(len(x), -1, -1)

    def _is_seen(self, row: torch.Tensor) -> bool:
        seen = self._seen
        return (
            seen is not None
            and seen.data_ptr() == row.data_ptr()
            and (seen.shape, seen.stride()) == (row.shape, row.stride())
            and self._version == _version(row)
        )


def _version(x: torch.Tensor) -> int:
    """Return how often the memory of ``x`` was changed; inference tensors do not tell."""
    return 0 if x.is_inference() else x._version


# Dataclasses, not tuples: for a tuple ESPnet takes a state to be one of its own.
@dataclass(frozen=True)
class _Step:
    """What one step of the search leaves, from which the next one extends its prefixes."""

    prefixes: torch.Tensor  # (n, L + 1) tokens after the start symbol
    forward: torch.Tensor  # (T, 2, n) log-probabilities of paths that end in the token, in a blank
    scores: torch.Tensor  # (n, V) log-probabilities of the prefixes that are one token longer


@dataclass(frozen=True)
class _Selection:
    """Prefixes of a step, each extended by a token."""

    step: _Step
    rows: torch.Tensor  # (n,) which prefixes, or () one of them
    ids: torch.Tensor  # (n,) or () the tokens


class VectorisedCTCPrefixScorer(CTCPrefixScorer):
    """CTC prefix scores (Watanabe et al. 2017, doi:10.1109/JSTSP.2017.2763455, algorithm 2).

    The forward variables follow r[t] = log(exp(r[t-1]) + exp(u[t-1])) + x[t]. With X the running
    sum of x, r[t] - X[t] is the running log-sum-exp of u[t-1] - X[t-1]: all frames at once, in
    double precision, since the sums grow with the frames. They are made for the prefixes that the
    beam keeps only; the scores of what may follow need those of the shorter prefix alone.
    """

    def batch_init_state(self, x: torch.Tensor) -> None:
        """Begin an utterance of encoder output ``x`` (T, D)."""
        self.logp = self.ctc.log_softmax(x.unsqueeze(0))[0].double()  # (T, V)
        self.sums = self.logp.cumsum(0)

    def batch_score_partial(
        self,
        y: torch.Tensor,
        ids: Optional[torch.Tensor],
        state: Union[_Selection, list[Optional[_Selection]]],
        x: torch.Tensor,
    ) -> tuple[torch.Tensor, _Step]:
        """Score the tokens that may follow each prefix.

        Args:
            y: (n, L + 1) prefixes of L tokens after the start symbol.
            ids: (n, S) tokens to score; None scores all.
            state: of all prefixes, from :meth:`batch_select_state`, or of each one, from
                :meth:`select_state`; None at the start.
            x: (n, T, D) the encoder output repeated, of which the type is taken.

        Returns:
            (n, V) scores, about ``LOGZERO`` for tokens that are not in ``ids``, and the new state.
        """
        n, vocabulary = len(y), self.logp.shape[1]
        size = 1 if ids is None else n  # prefixes at a time: all V tokens take much memory
        if ids is None:
            ids = torch.arange(vocabulary, device=y.device).expand(n, -1)
        forward, before = self._extend(state, n)  # (T, 2, n), (n,)
        parts = zip(forward.split(size, 2), y.split(size), ids.split(size))
        psi = torch.cat([self._prefix_scores(*part) for part in parts])  # (n, S)
        scores = psi.new_full((n, vocabulary), LOGZERO).scatter_(1, ids, psi)
        scores[:, BLANK] = LOGZERO
        scores[:, self.eos] = torch.logaddexp(forward[-1, 0], forward[-1, 1])
        return (scores - before[:, None]).to(x.dtype), _Step(y, forward, scores)

    def select_state(self, state: Any, i: int, new_id: Optional[int] = None):
        """Return the state of prefix ``i``, extended by the token ``new_id`` where one is given."""
        if new_id is not None:
            return _Selection(state, torch.as_tensor(i), torch.as_tensor(new_id))
        if isinstance(state, _Selection):
            return _Selection(state.step, state.rows[i], state.ids[i])
        return None if state is None else state[i]

    def batch_select_state(self, state: _Step, best_ids: torch.Tensor) -> _Selection:
        """Return the state of (1, n) ``best_ids``, each prefix * V + token."""
        vocabulary = self.logp.shape[1]
        return _Selection(state, best_ids[0] // vocabulary, best_ids[0] % vocabulary)

    def _extend(self, state: Any, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (T, 2, n) forward variables and (n,) log-probabilities of the prefixes."""
        frames = len(self.logp)
        after = self.logp.new_full((frames, 2, n), LOGZERO)
        if not isinstance(state, _Selection):
            if state[0] is None:
                after[:, 1] = self.sums[:, BLANK, None]  # nothing but blanks so far
                return after, self.logp.new_zeros(n)
            rows, ids = (torch.stack([getattr(s, k) for s in state]) for k in ("rows", "ids"))
            state = _Selection(state[0].step, rows, ids)
        step, device = state.step, self.logp.device
        rows, ids = state.rows.to(device), state.ids.to(device)
        before, start = step.forward[:, :, rows], _first_frame(step.prefixes)
        if step.prefixes.shape[1] == 1:
            after[0, 0] = self.logp[0, ids]
        phi = _arriving(before, step.prefixes[rows, -1] == ids)
        for kind, sums, u in (
            (0, self.sums[:, ids], phi),
            (1, self.sums[:, BLANK, None], after[:, 0]),
        ):
            shifted = (u - sums)[start - 1 : frames - 1]
            first = after[start - 1 : start, kind] - sums[start - 1]
            after[start - 1 :, kind] = (
                torch.logcumsumexp(torch.cat((first, shifted)), 0) + sums[start - 1 :]
            )
        return after.clamp_(min=LOGZERO), step.scores[rows, ids]

    def _prefix_scores(
        self, forward: torch.Tensor, y: torch.Tensor, ids: torch.Tensor
    ) -> torch.Tensor:
        """Return (n, S): log-probabilities of all that begins with a prefix and the token."""
        start = _first_frame(y)
        phi = _arriving(forward[..., None], ids == y[:, -1:])  # (T, n, S)
        arrivals = phi[start - 1 : -1] + self.logp[start:, ids]
        first = self.logp[:1, ids] if y.shape[1] == 1 else torch.full_like(phi[:1], LOGZERO)
        return torch.logsumexp(torch.cat((first, arrivals)), 0)


def _first_frame(prefixes: torch.Tensor) -> int:
    """Return the first frame that a token after the prefixes can end in, but for the very first."""
    return max(prefixes.shape[1] - 1, 1)


def _arriving(forward: torch.Tensor, repeated: torch.Tensor) -> torch.Tensor:
    """Return (T, n, ...) of paths that a token may follow: after itself, a blank must come first.

    Args:
        forward: (T, 2, n, ...) forward variables.
        repeated: (n, ...) whether the token is the last one of the prefix.
    """
    return torch.where(repeated, forward[:, 1], torch.logaddexp(forward[:, 0], forward[:, 1]))
