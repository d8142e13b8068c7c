"""Noisy speech to text and to enhanced speech, in one pass through the models."""

import logging
from contextlib import contextmanager
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Set, Tuple, Union

import numpy as np
import torch
from espnet2.bin.asr_inference import Speech2Text
from espnet2.tasks.enh import EnhancementTask

from espnet_cbpc.enh_asr.decoding_config import DecodingConfig
from espnet_cbpc.utils.cli import UserError, listed

Result = Tuple[str, List[str], Optional[np.ndarray]]
PathLike = Union[str, Path]
Pair = Tuple[PathLike, PathLike]  # a model's configuration and its parameters


class EnhSpeech2Text:
    """A joint model, an ASR model, or an ASR model behind a separate SE model.

    Model, vocabulary and beam search are built by ESPnet's ``Speech2Text``. With ``beam_size`` 1,
    ``ctc_weight`` 1.0 and no language model, decoding is greedy CTC, batched. A beam wider than the
    vocabulary is narrowed to it.

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
        options: of the search, see :class:`DecodingConfig`.

    Raises:
        UserError: models that do not go together, a file that is missing or unreadable, parameters
            that do not fit their configuration, or an SE model of several speakers.
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
        **options: float,
    ):
        joint = _pair("enh_asr", enh_asr_train_config, enh_asr_model_file)
        asr = _pair("asr", asr_train_config, asr_model_file)
        enh = _pair("enh", enh_train_config, enh_model_file)
        lm = _pair("lm", lm_train_config, lm_file)
        if (joint is None) == (asr is None) or (joint and enh):
            raise UserError(
                "give either a joint model, or an ASR model with or without an SE model"
            )
        search = DecodingConfig(**options)
        self.device = device
        self._speech2text = _build(joint or asr, lm, device, joint is not None, search)
        model = self._speech2text.asr_model
        self.s2t_model = model.s2t_model if joint else model
        self.enh_model = model.enh_model if joint else enh and _build_enh(enh, device)
        if self.enh_model is not None and self.enh_model.num_spk != 1:
            raise UserError(
                f"{(joint or enh)[0]}: num_spk is {self.enh_model.num_spk}, 1 is needed"
            )
        ctc_alone = lm is None and not self.s2t_model.use_transducer_decoder
        self.greedy = ctc_alone and search.beam_size == 1 and search.ctc_weight == 1.0

    def __call__(self, speech: Union[np.ndarray, torch.Tensor]) -> Tuple[str, Optional[np.ndarray]]:
        """Decode one utterance.

        Args:
            speech: (N,) samples at the rate of the models.

        Returns:
            The text, and the enhanced waveform (N,), or None where there is no SE model.
        """
        speech = torch.as_tensor(speech, dtype=torch.float32)
        text, _, enhanced = self.batch(speech[None], torch.tensor([len(speech)]))[0]
        return text, enhanced

    @torch.no_grad()
    def batch(
        self,
        speech: Union[np.ndarray, torch.Tensor],
        lengths: Union[np.ndarray, torch.Tensor],
    ) -> List[Result]:
        """Decode a padded batch: SE once, encoder once, then the search for each utterance.

        What lies beyond an utterance's length is never read. Yet a padded utterance can differ
        from the same one decoded alone: ESPnet's centred STFT mirrors the end of the batch, not of
        each utterance, its Conformer convolutions see padded frames, and global layer norms of
        some separators average over them. Utterances of one length agree.

        Args:
            speech: (B, N) samples.
            lengths: (B,) samples of each utterance, at most N.

        Returns:
            For each utterance the text, its tokens, and the enhanced waveform (n,) of its own
            length, or None where there is no SE model.
        """
        lengths, order = torch.as_tensor(lengths, dtype=torch.long).sort(descending=True)
        speech = torch.as_tensor(speech, dtype=torch.float32)[order, : lengths[0]]
        speech, lengths = speech.to(self.device), lengths.to(self.device)
        speech = _silence_padding(speech, lengths)
        if self.enh_model is not None:  # ESPnet's recurrent layers want the longest first
            speech = self.enh_model.forward_enhance(speech, lengths)[0][0]
            speech = _silence_padding(speech, lengths)
        encoded, encoded_lengths = self.s2t_model.encode(speech, lengths)
        if isinstance(encoded, tuple):  # with the outputs of intermediate layers
            encoded = encoded[0]
        decode = self._greedy_ctc if self.greedy else self._search
        texts = decode(encoded, encoded_lengths.tolist())
        results: Dict[int, Result] = {}
        for row, place in enumerate(order.tolist()):
            enhanced = None if self.enh_model is None else speech[row, : lengths[row]].cpu().numpy()
            results[place] = (*texts[row], enhanced)
        return [results[place] for place in range(len(results))]

    def _greedy_ctc(self, encoded: torch.Tensor, lengths: List[int]) -> List[Tuple[str, List[str]]]:
        silent = {self.s2t_model.blank_id, self.s2t_model.sos, self.s2t_model.eos}
        best = self.s2t_model.ctc.argmax(encoded).tolist()
        paths = [[token for token, _ in groupby(row[:n])] for row, n in zip(best, lengths)]
        return [self._text([token for token in path if token not in silent]) for path in paths]

    def _text(self, ids: List[int]) -> Tuple[str, List[str]]:
        tokens = self._speech2text.converter.ids2tokens(ids)
        tokenizer = self._speech2text.tokenizer
        return (" ".join(tokens) if tokenizer is None else tokenizer.tokens2text(tokens)), tokens

    def _search(self, encoded: torch.Tensor, lengths: List[int]) -> List[Tuple[str, List[str]]]:
        nbests = (
            self._speech2text._decode_single_sample(row[:n]) for row, n in zip(encoded, lengths)
        )
        return [self._text(nbest[0][2]) if nbest else ("", []) for nbest in nbests]


def _silence_padding(speech: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Zero ``speech`` (B, N) beyond each of ``lengths``, the longest of which N becomes."""
    longest = int(lengths.max())
    speech = torch.nn.functional.pad(speech[:, :longest], (0, max(0, longest - speech.shape[1])))
    # not ESPnet's make_pad_mask, which takes memory quadratic in the length
    padding = torch.arange(longest, device=speech.device) >= lengths[:, None]
    return speech.masked_fill(padding, 0.0)


def _build(
    model: Pair, lm: Optional[Pair], device: str, joint: bool, search: DecodingConfig
) -> Speech2Text:
    found = _parameter_names(model[1])
    if lm:
        _parameter_names(lm[1])
    lm_config, lm_file = map(str, lm) if lm else (None, None)
    with _naming(model, lm):
        speech2text = Speech2Text(
            *map(str, model),
            lm_train_config=lm_config,
            lm_file=lm_file,
            device=device,
            enh_s2t_task=joint,
            **asdict(search),
        )
    _check_parameters(speech2text.asr_model, found, model[1])
    beam = speech2text.beam_search
    if beam is not None and beam.beam_size > beam.n_vocab:  # its first step would fail
        logging.warning("beam_size %s: the vocabulary has %s tokens", beam.beam_size, beam.n_vocab)
        beam.beam_size = beam.n_vocab
    return speech2text


def _build_enh(enh: Pair, device: str) -> torch.nn.Module:
    found = _parameter_names(enh[1])
    with _naming(enh):
        model, _ = EnhancementTask.build_model_from_file(*enh, device)
    _check_parameters(model, found, enh[1])
    return model.eval()


@contextmanager
def _naming(*pairs: Optional[Pair]) -> Iterator[None]:
    """Say which files it was that ESPnet could not build a model from."""
    try:
        yield
    except Exception as e:  # as many kinds as a configuration has ways to be wrong
        files = " and ".join(f"{config} with {model}" for config, model in filter(None, pairs))
        raise UserError(f"{files}: no model of this kind can be built from them: {e!r}") from e


def _pair(name: str, config: Optional[PathLike], model: Optional[PathLike]) -> Optional[Pair]:
    if config is None and model is None:
        return None
    if config is None or model is None:
        raise UserError(f"the {name} model takes both: a train_config and a model file")
    for path in (config, model):
        if not Path(path).is_file():
            raise UserError(f"{path}: no such file (of the {name} model)")
    return config, model


def _parameter_names(path: PathLike) -> Set[str]:
    """Read a parameter file without running code it may hold, and return the names in it."""
    try:
        return set(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as e:  # torch raises many kinds for a file that is broken or something else
        raise UserError(
            f"{path}: not a readable file of model parameters: train or fetch it anew"
        ) from e


def _check_parameters(model: torch.nn.Module, found: Set[str], path: PathLike) -> None:
    """ESPnet loads what is there and leaves the rest random, hence this."""
    expected = model.state_dict().keys()
    if hasattr(model, "s2t_model"):  # Speech2Text names parts of it a second time
        expected = {name for name in expected if name.startswith(("enh_model.", "s2t_model."))}
    missing = sorted(expected - found)
    if missing:
        raise UserError(
            f"{path}: {len(missing)} parameter(s) of the configured model are missing "
            f"({listed(missing)}): give the configuration saved beside it"
        )
