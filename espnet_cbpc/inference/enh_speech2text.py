# SPDX-License-Identifier: Apache-2.0
"""Noisy speech to text and to enhanced speech, in one pass through the models."""

from dataclasses import asdict
from itertools import groupby
from typing import Any, Optional, Union

import numpy as np
import torch
from torchaudio.functional import resample

from espnet_cbpc.compat.owsm import is_owsm, is_owsm_ctc, special_tokens
from espnet_cbpc.compat.speech2text import Pair, Search, build_speech2text
from espnet_cbpc.compat.weights import decoder_and_vocabulary, read_weights
from espnet_cbpc.compat.whisper_search import WhisperSearch, is_whisper
from espnet_cbpc.inference.decoded_utterance import (
    NOTHING,
    DecodedUtterance,
    Hypothesis,
    TokenTime,
    find_token_times,
    joined,
    repeats_itself,
)
from espnet_cbpc.inference.inference_options import sampling_rates
from espnet_cbpc.inference.long_form import cut_to_windows
from espnet_cbpc.inference.speech_enhancer import SpeechEnhancer, silence_padding
from espnet_cbpc.model_zoo.decoding_config import DecodingConfig
from espnet_cbpc.model_zoo.load import load_enh
from espnet_cbpc.model_zoo.locate import inference_files, pair
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import PathLike, read_yaml

Array = Union[np.ndarray, torch.Tensor]
Recognised = tuple[list[Hypothesis], Optional[list[TokenTime]]]

SHARES = (0.0, 0.5, 1.0)  # of noisy speech, that the recogniser chooses from
DOUBT = 0.1  # log-probability by which enhanced must be surer than noisy speech; see arctic_noisy
WINDOWS = 8  # of a long recording that are recognised at a time


class EnhSpeech2Text(SpeechEnhancer):
    """A joint model, an ASR model, or an ASR model behind a separate SE model.

    Model, vocabulary and beam search are ESPnet's ``Speech2Text``; its repeated work is left out
    (:mod:`espnet_cbpc.compat.fast_search`). The search is fitted to the model
    (:meth:`.DecodingConfig.fitted`). Whisper is decoded as openai-whisper does
    (:class:`.WhisperSearch`), OWSM as ESPnet's S2T task does; what is longer than their window of
    30 s is cut where it is quiet, and only the best hypothesis is kept.

    Speech may have several channels. A multichannel SE model takes them all; where there is
    none, the reference channel is heard (the first), which is also what observation adding adds. A
    mask-based beamformer lets speech of one channel through as it is, with a warning.

    Observation adding (Iwamoto et al. 2022, doi:10.21437/Interspeech.2022-318) lets some of the
    noisy speech through, as artifacts of the SE harm recognition more than noise does. Here it is
    interpolation (1 - w) enhanced + w noisy, which keeps the level; but for a gain that is the
    paper's sum of enhanced speech and a scaled observation. With ``auto`` the recogniser chooses w
    for each utterance, see :meth:`choose`.

    Args:
        enh_asr_train_config: configuration of a joint model, saved by its training.
        enh_asr_model_file: parameters of the joint model.
        asr_train_config: configuration of an ASR model, instead of a joint one.
        asr_model_file: parameters of the ASR model.
        enh_train_config: configuration of an SE model in front of the ASR model.
        enh_model_file: parameters of the SE model.
        lm_train_config: configuration of a language model.
        lm_file: parameters of the language model.
        device: a torch device name.
        enhance: False leaves the SE model out, for comparison.
        observation_adding: w in [0, 1], or ``auto``; None: that of a joint model's training.
        fs: sampling rate of the speech and the SE model in Hz; None: as the configuration says.
        asr_fs: that of the ASR model; where it differs, speech is resampled in between. None: as
            the configuration says, or ``fs``.
        batched_search: search for the utterances of a batch at once, see
            :class:`~espnet_cbpc.compat.speech2text.Search`; None: on a GPU.
        token_times: find when each token is spoken, see :class:`DecodedUtterance`.
        options: of the search, see :class:`DecodingConfig`; none: as packed with the model, else its
            defaults.

    Raises:
        UserError: models that do not go together, a file that is missing or unreadable, parameters
            that do not fit their configuration, an SE model of several speakers, or an option out
            of its range.
    """

    def __init__(
        self,
        enh_asr_train_config: Optional[PathLike] = None,
        enh_asr_model_file: Optional[PathLike] = None,
        asr_train_config: Optional[PathLike] = None,
        asr_model_file: Optional[PathLike] = None,
        enh_train_config: Optional[PathLike] = None,
        enh_model_file: Optional[PathLike] = None,
        lm_train_config: Optional[PathLike] = None,
        lm_file: Optional[PathLike] = None,
        device: str = "cpu",
        enhance: bool = True,
        observation_adding: Union[float, str, None] = None,
        fs: Optional[int] = None,
        asr_fs: Optional[int] = None,
        batched_search: Optional[bool] = None,
        token_times: bool = False,
        **options: Any,
    ):
        joint = pair("enh_asr", enh_asr_train_config, enh_asr_model_file)
        asr = pair("asr", asr_train_config, asr_model_file)
        enh = pair("enh", enh_train_config, enh_model_file)
        lm = pair("lm", lm_train_config, lm_file)
        _check_choice(joint, asr, enh, observation_adding)
        config, model_file = joint or asr
        weights = read_weights(model_file)
        search = DecodingConfig(**options) if options else DecodingConfig.of_model(model_file)
        search = search.fitted(*decoder_and_vocabulary(weights, "s2t_model." if joint else ""))
        self.greedy = search.ctc_greedy
        self.fs, self.asr_fs = sampling_rates(config, fs, asr_fs)
        self.asks_recogniser = observation_adding == "auto"
        if observation_adding is None:
            observation_adding = trained_share(joint)
        share = 0.0 if self.asks_recogniser else float(observation_adding)
        self.token_times = token_times
        search_options = {k: v for k, v in asdict(search).items() if k != "ctc_greedy"}
        self._speech2text = build_speech2text(
            (config, model_file), weights, lm, device, joint is not None, search_options
        )
        model = self._speech2text.asr_model
        self.s2t_model = model.s2t_model if joint else model
        enh_model = model.enh_model if joint else enh and load_enh(enh)[0].to(device)
        # the joint model is trained without the normalisation of the SE training
        super().__init__(enh_model, device, share, bool(enh), str((joint or enh or asr)[0]))
        if self.greedy and (lm is not None or self.s2t_model.ctc is None):
            raise UserError(
                "ctc_greedy needs a model with CTC, and uses no language model: leave it out"
            )
        if not enhance:
            self.enh_model = None
        if batched_search is None:
            batched_search = device != "cpu"
        self._window = fixed_window(self.s2t_model, self.asr_fs)
        # OWSM-CTC takes utterances at their own length
        self._fills_window = self._window is not None and not is_owsm_ctc(self.s2t_model)
        if not is_whisper(self.s2t_model):
            self._search: Union[Search, WhisperSearch] = Search(self._speech2text, batched_search)
        elif lm is None:
            self._search = WhisperSearch(self.s2t_model, search.beam_size, search.nbest)
        else:
            raise UserError("Whisper is decoded without a language model: leave it out")

        self._prefix = (
            len(self.s2t_model.encoder.prompt.prefix) if is_owsm_ctc(self.s2t_model) else 0
        )
        self._silent = {self.s2t_model.sos, self.s2t_model.eos}
        if "<blank>" in self.s2t_model.token_list:  # else ESPnet says 0, which Whisper speaks
            self._silent.add(self.s2t_model.blank_id)
        if is_owsm(self.s2t_model) or is_owsm_ctc(self.s2t_model):
            self._silent.update(special_tokens(self.s2t_model.token_list))

    @classmethod
    def from_pretrained(
        cls,
        model_tag: Optional[str] = None,
        cachedir: Optional[PathLike] = None,
        asr_model: Optional[str] = None,
        enh_model: Optional[str] = None,
        **options,
    ) -> "EnhSpeech2Text":
        """Build from models wherever they are: zoo tag, Hugging Face id, URL, archive or folder.

        Args:
            model_tag: a joint model.
            cachedir: folder for downloaded and unpacked files.
            asr_model: an ASR model, instead of a joint one.
            enh_model: an SE model in front of the ASR model.
            options: further arguments of the class.

        Raises:
            UserError: a model that cannot be found, and as the class does.
        """
        return cls(**inference_files(model_tag, asr_model, enh_model, cachedir), **options)

    def __call__(self, speech: Array) -> tuple[str, Optional[np.ndarray]]:
        """Decode one utterance.

        Args:
            speech: (N,) samples at the rate of the models, or (N, C) of several channels.

        Returns:
            The text, and the enhanced waveform (N,), or None where there is no SE model.
        """
        result = self.decode(speech)
        return result.text, result.enhanced

    def decode(self, speech: Array) -> DecodedUtterance:
        """Decode one utterance as :meth:`__call__`, and return the n-best list and all else."""
        speech = torch.as_tensor(speech, dtype=torch.float32)
        return self.batch(speech[None], torch.tensor([len(speech)]))[0]

    def batch(
        self,
        speech: Array,
        lengths: Union[Array, list[int]],
        enhanced: Optional[Array] = None,
    ) -> list[DecodedUtterance]:
        """Decode a padded batch: SE once, encoder once, then the search for each utterance.

        What lies beyond an utterance's length is never read. Yet a padded utterance can differ
        from the same one decoded alone: ESPnet's centred STFT mirrors the end of the batch, not of
        each utterance, its Conformer convolutions see padded frames, and global layer norms of
        some separators average over them. Utterances of one length agree.

        Args:
            speech: (B, N) samples, or (B, N, C) of several channels.
            lengths: (B,) samples of each utterance, at most N.
            enhanced: (B, N) what another tool made of it, instead of an SE model.

        Returns:
            One result for each utterance; enhanced waveforms are of its own length.
        """
        lengths, order = torch.as_tensor(lengths, dtype=torch.long).sort(descending=True)
        speech = torch.as_tensor(speech, dtype=torch.float32)[order, : lengths[0]]
        noisy = self.reference_channel(speech, lengths)
        if enhanced is None:
            heard = self.enhance(speech, lengths)
        else:
            given = torch.as_tensor(enhanced, dtype=torch.float32)[order, : lengths[0]]
            given = silence_padding(given.to(self.device), lengths.to(self.device))
            heard = torch.lerp(given, noisy, self.share)
        is_enhanced = self.enh_model is not None or enhanced is not None
        results: dict[int, DecodedUtterance] = {}
        chosen = self.choose(heard, noisy if is_enhanced else None, lengths)
        for row, (place, (share, (nbest, times))) in enumerate(zip(order.tolist(), chosen)):
            wave = None
            if is_enhanced:
                wave = torch.lerp(heard[row], noisy[row], share)[: lengths[row]].cpu().numpy()
            results[place] = DecodedUtterance(nbest, times, wave)
        return [results[place] for place in range(len(results))]

    def choose(
        self, heard: torch.Tensor, noisy: Optional[torch.Tensor], lengths: torch.Tensor
    ) -> list[tuple[float, Recognised]]:
        """Recognise speech; with observation adding of ``auto``, with the share that fits it best.

        The recogniser decodes each utterance with every one of :data:`SHARES`, of which the last
        leaves it noisy, and that one is kept whose best hypothesis it is the surest of
        (:meth:`confidence`), with some doubt of enhancement (:data:`DOUBT`). Decoders are sure of
        text that repeats itself: it is kept only where all repeat themselves. No development set
        is asked for; it takes two more passes of encoder and search.

        Args:
            heard: (B, N) what :meth:`enhance` returns.
            noisy: (B, N) its input; None: there is nothing to choose.
            lengths: (B,) longest first.

        Returns:
            For each utterance the share of noisy speech in what was recognised, and the result.
        """
        if noisy is None or not self.asks_recogniser:
            return [(0.0, found) for found in self.recognise(heard, lengths)]
        noisy = noisy.to(heard)
        tried = [self.recognise(torch.lerp(heard, noisy, w), lengths) for w in SHARES]

        def merit(one: tuple[float, Recognised]) -> tuple[bool, float]:
            share, (nbest, _) = one
            return not repeats_itself(nbest[0].text), self.confidence(nbest[0]) + DOUBT * share

        return [max(zip(SHARES, row), key=merit) for row in zip(*tried)]

    def confidence(self, hypothesis: Hypothesis) -> float:
        """Return how sure the recogniser is of a hypothesis, as a log-probability.

        It is the mean over its tokens and its end; of the best CTC path the sum over the frames,
        which are as many whatever was found.
        """
        return hypothesis.score / (1 if self.greedy else len(hypothesis.token_ids) + 1)

    @torch.no_grad()
    def recognise(self, speech: torch.Tensor, lengths: torch.Tensor) -> list[Recognised]:
        """Recognise what :meth:`enhance` returns.

        Args:
            speech: (B, N), silent beyond the lengths.
            lengths: (B,) longest first.

        Returns:
            For each utterance the hypotheses, and the times of the best one's tokens (or None).
        """
        speech, lengths = speech.to(self.device), lengths.to(self.device)
        seconds = (lengths / self.fs).tolist()
        if self.asr_fs != self.fs:
            speech = resample(speech, self.fs, self.asr_fs)
            lengths = torch.ceil(lengths * self.asr_fs / self.fs).long()
        if self._window is not None and lengths[0] > self._window:
            return [self._recognise_long(row[:n]) for row, n in zip(speech, lengths)]
        if self._fills_window:
            seconds = [self._window / self.asr_fs] * len(seconds)
        rows = self._encode(speech, lengths)
        found = self._search_all(rows)
        return [
            (nbest, self._token_times(row[self._prefix :], nbest[0], duration))
            for row, nbest, duration in zip(rows, found, seconds)
        ]

    def _recognise_long(self, speech: torch.Tensor) -> Recognised:
        """Recognise (N,) samples at the rate of the ASR model, in pieces that fit its window."""
        window = self._window / self.asr_fs
        pieces = [
            torch.from_numpy(p) for p in cut_to_windows(speech.cpu().numpy(), self.asr_fs, window)
        ]
        parts: list[Hypothesis] = []
        for start in range(0, len(pieces), WINDOWS):
            some = pieces[start : start + WINDOWS]
            padded = torch.nn.utils.rnn.pad_sequence(some, batch_first=True).to(self.device)
            rows = self._encode(padded, torch.tensor([len(p) for p in some], device=self.device))
            parts += [nbest[0] for nbest in self._search_all(rows)]
        return [joined(parts)], None

    def _encode(self, speech: torch.Tensor, lengths: torch.Tensor) -> list[torch.Tensor]:
        """Return the (T, D) frames of each utterance; of a fixed window its silent end as well.

        The decoders of such models were trained to see it.
        """
        if is_owsm(self.s2t_model):  # Whisper's encoder does it by itself
            speech = torch.nn.functional.pad(speech, (0, self._window - speech.shape[1]))
            lengths = torch.full_like(lengths, self._window)
        encoded, encoded_lengths = self.s2t_model.encode(speech, lengths)
        if isinstance(encoded, tuple):  # with the outputs of intermediate layers
            encoded = encoded[0]
        if self._fills_window:
            return list(encoded)
        return [row[:n] for row, n in zip(encoded, encoded_lengths.tolist())]

    def _search_all(self, rows: list[torch.Tensor]) -> list[list[Hypothesis]]:
        if self.greedy:
            return [[self._greedy_ctc(row)] for row in rows]
        return [self._hypotheses(nbest) for nbest in self._search(rows)]

    def _greedy_ctc(self, encoded: torch.Tensor) -> Hypothesis:
        best, path = self.s2t_model.ctc.log_softmax(encoded[None])[0].max(dim=-1)
        return self._hypothesis([token for token, _ in groupby(path.tolist())], float(best.sum()))

    def _hypotheses(self, nbest: list[tuple]) -> list[Hypothesis]:
        return [self._hypothesis(ids, float(found.score)) for _, _, ids, found in nbest] or [
            NOTHING
        ]

    def _hypothesis(self, ids: list[int], score: float) -> Hypothesis:
        # of a hypothesis that ends at its longest, ESPnet leaves <sos/eos> in the text
        ids = [token for token in ids if token not in self._silent]
        tokens = self._speech2text.converter.ids2tokens(ids)
        return Hypothesis(self._text(tokens), tokens, ids, score)

    def _text(self, tokens: list[str]) -> str:
        tokenizer = self._speech2text.tokenizer
        return " ".join(tokens) if tokenizer is None else tokenizer.tokens2text(tokens)

    def _token_times(
        self, encoded: torch.Tensor, best: Hypothesis, seconds: float
    ) -> Optional[list[TokenTime]]:
        if not self.token_times or self.s2t_model.ctc is None:
            return None
        log_probs = self.s2t_model.ctc.log_softmax(encoded[None])[0]
        return find_token_times(log_probs, best.token_ids, best.tokens, seconds)


def fixed_window(asr_model: torch.nn.Module, fs: int) -> Optional[int]:
    """Return how many samples a model takes at a time; None: as many as there are."""
    if is_owsm(asr_model):
        return round(asr_model.decoder.window * fs)
    if is_owsm_ctc(asr_model):
        return round(asr_model.encoder.window * fs)
    return getattr(asr_model.encoder, "pad_samples", None)


def _check_choice(
    joint: Optional[Pair],
    asr: Optional[Pair],
    enh: Optional[Pair],
    observation_adding: Union[float, str, None],
) -> None:
    if (joint is None) == (asr is None) or (joint and enh):
        raise UserError("give either a joint model, or an ASR model with or without an SE model")
    if observation_adding in (None, "auto"):
        return
    if isinstance(observation_adding, str) or not 0 <= observation_adding <= 1:
        raise UserError(f"observation_adding is {observation_adding}: must be from 0 to 1, or auto")


def trained_share(joint: Optional[Pair]) -> float:
    """Return the share of noisy speech that a joint model's ASR heard in training."""
    conf = read_yaml(joint[0]).get("joint_conf") if joint else None
    return (conf or {}).get("observation_adding", 0.0)
