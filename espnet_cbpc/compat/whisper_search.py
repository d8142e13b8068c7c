# SPDX-License-Identifier: Apache-2.0
"""Whisper's own decoding, of what an ESPnet encoder of Whisper has computed."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch

from espnet_cbpc.compat.whisper import VOCABULARIES, WhisperDecoder, WhisperEncoder
from espnet_cbpc.utils.whisper_package import whisper_package

PROVEN_ON = ("202511", "202611")


def is_whisper(asr_model: torch.nn.Module) -> bool:
    """Return whether Whisper's own decoding fits: both halves, and the vocabulary as it was."""
    return (
        isinstance(asr_model.encoder, WhisperEncoder)
        and isinstance(asr_model.decoder, WhisperDecoder)
        and isinstance(asr_model.decoder.decoders.token_embedding, torch.nn.Embedding)
        and len(asr_model.token_list) in VOCABULARIES
    )


class WhisperSearch:
    """``whisper.decode``: greedy of all utterances of a batch at once, or by beam one by one.

    It keeps the keys and values of attention, suppresses what is no speech, and begins with the
    decoder's language and task. Weights of CTC and language models, and limits of length other
    than Whisper's, have no part in it.

    Args:
        asr_model: an ESPnet model for which :func:`is_whisper` holds; its encoder pads to 30 s from
            now on, which Whisper's decoding counts on.
        beam_size: 1 is greedy.
        nbest: hypotheses to return, at most ``beam_size``.
    """

    def __init__(self, asr_model: torch.nn.Module, beam_size: int, nbest: int):
        asr_model.encoder.do_pad_trim = True
        decoding = whisper_package().decoding
        decoder = asr_model.decoder
        options = decoding.DecodingOptions(
            task=decoder.task,
            language=decoder.language,
            beam_size=beam_size if beam_size > 1 else None,
            without_timestamps=True,
            fp16=False,
        )
        self.nbest = nbest
        self._task = decoding.DecodingTask(_model(asr_model), options)
        self._task.sequence_ranker = self._ranked = _ranker(decoding)

    def __call__(self, encoded: Sequence[torch.Tensor]) -> list[list[tuple]]:
        """Search.

        Args:
            encoded: (T, D) encoder output of each utterance, all 30 s of it.

        Returns:
            For each utterance n-best hypotheses as ESPnet's search gives them: (text, tokens, token
            ids, hypothesis), of which the first two are left out, and the last has a ``score``.
        """
        # its beam search of several fails: hypotheses are more than encoder outputs
        size = len(encoded) if self._task.options.beam_size is None else 1
        return [
            nbest
            for i in range(0, len(encoded), size)
            for nbest in self._run(encoded[i : i + size])
        ]

    def _run(self, encoded: Sequence[torch.Tensor]) -> list[list[tuple]]:
        self._task.run(torch.stack(list(encoded)))
        return [
            [(None, None, ids, SimpleNamespace(score=score)) for ids, score in nbest[: self.nbest]]
            for nbest in self._ranked.nbest
        ]


def _model(asr_model: torch.nn.Module) -> torch.nn.Module:
    """Return the parts of an ESPnet model as a model of openai-whisper, which shares them."""
    model = whisper_package().model
    encoder, decoder = asr_model.encoder.encoders, asr_model.decoder.decoders
    first = decoder.blocks[0].attn
    n_audio_ctx, n_audio_state = encoder.positional_embedding.shape
    n_text_ctx, n_text_state = decoder.positional_embedding.shape
    whole = model.Whisper.__new__(model.Whisper)  # its own __init__ would make all weights again
    torch.nn.Module.__init__(whole)
    whole.dims = model.ModelDimensions(
        n_mels=encoder.conv1.in_channels,
        n_audio_ctx=n_audio_ctx,
        n_audio_state=n_audio_state,
        n_audio_head=encoder.blocks[0].attn.n_head,
        n_audio_layer=len(encoder.blocks),
        n_vocab=decoder.token_embedding.num_embeddings,
        n_text_ctx=n_text_ctx,
        n_text_state=n_text_state,
        n_text_head=first.n_head,
        n_text_layer=len(decoder.blocks),
    )
    whole.encoder, whole.decoder = encoder, decoder
    return whole.eval()


def _ranker(decoding: Any) -> Any:
    """Return Whisper's ranker of hypotheses, which keeps all: ``nbest`` (token ids, score) each."""

    class _Ranker(decoding.MaximumLikelihoodRanker):
        def rank(self, tokens, sum_logprobs):
            self.nbest = [
                sorted(
                    ((ids.tolist(), score) for ids, score in zip(group, scores)),
                    key=lambda found: found[1] / max(1, len(found[0])),
                    reverse=True,
                )
                for group, scores in zip(tokens, sum_logprobs)
            ]
            return super().rank(tokens, sum_logprobs)

    return _Ranker(None)
