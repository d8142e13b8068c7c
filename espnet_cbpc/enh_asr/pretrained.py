"""The files of models, and ESPnet's ``Speech2Text`` of them with every parameter accounted for."""

import logging
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Collection, Dict, Iterator, Optional, Tuple, Union

import torch
from espnet2.bin.asr_inference import Speech2Text

from espnet_cbpc.enh_asr.decoding_config import DecodingConfig
from espnet_cbpc.model_zoo.weights import read_weights
from espnet_cbpc.tasks.transducer import support_transducers
from espnet_cbpc.utils.cli import UserError, listed

PathLike = Union[str, Path]
Pair = Tuple[PathLike, PathLike]  # a model's configuration and its parameters


def pair(name: str, config: Optional[PathLike], model: Optional[PathLike]) -> Optional[Pair]:
    """Return the two files of a model, None where neither is given.

    Raises:
        UserError: one without the other, or a file that is not there.
    """
    if config is None and model is None:
        return None
    if config is None or model is None:
        raise UserError(f"the {name} model takes both: a train_config and a model file")
    for path in (config, model):
        if not Path(path).is_file():
            raise UserError(f"{path}: no such file (of the {name} model)")
    return config, model


def build_speech2text(
    model: Pair, lm: Optional[Pair], device: str, joint: bool, search: DecodingConfig
) -> Speech2Text:
    """Build ESPnet's ``Speech2Text``: model, vocabulary and beam search.

    Args:
        model: files of an ASR model, or of a joint one.
        lm: files of a language model.
        device: a torch device name.
        joint: whether ``model`` is a joint one.
        search: options of the search. A beam wider than the vocabulary is narrowed to it.

    Raises:
        UserError: files that cannot be read, do not go together, or leave parameters unset.
    """
    found = read_weights(model[1]).keys()
    if lm:
        read_weights(lm[1])
    lm_config, lm_file = map(str, lm) if lm else (None, None)
    options = {name: value for name, value in asdict(search).items() if name != "ctc_greedy"}
    support_transducers()
    with _naming(model, lm):
        speech2text = Speech2Text(
            *map(str, model),
            lm_train_config=lm_config,
            lm_file=lm_file,
            device=device,
            enh_s2t_task=joint,
            **options,
        )
    _check_parameters(speech2text.asr_model, found, model[1])
    beam = speech2text.beam_search
    if beam is not None and beam.beam_size > beam.n_vocab and not search.ctc_greedy:
        # its first step would fail
        logging.warning("beam_size %s: the vocabulary has %s tokens", beam.beam_size, beam.n_vocab)
        beam.beam_size = beam.n_vocab
    return speech2text


def located(
    model: Optional[str] = None,
    asr_model: Optional[str] = None,
    enh_model: Optional[str] = None,
    cachedir: Optional[PathLike] = None,
) -> Dict[str, Path]:
    """Fetch models and return their files, by the names that ``EnhSpeech2Text`` gives them.

    Args:
        model: a joint model: zoo tag, Hugging Face id, URL, archive or folder.
        asr_model: an ASR model, likewise.
        enh_model: an SE model, likewise.
        cachedir: folder for what is downloaded or unpacked.

    Raises:
        UserError: a model that cannot be found.
    """
    from espnet_cbpc.model_zoo.locate import locate

    files: Dict[str, Path] = {}
    for kind, name in (("enh_asr", model), ("asr", asr_model), ("enh", enh_model)):
        if name is not None:
            found = locate(name, kind, cachedir)
            files[f"{kind}_train_config"] = found.config
            files[f"{kind}_model_file"] = found.checkpoint
    return files


@contextmanager
def _naming(*pairs: Optional[Pair]) -> Iterator[None]:
    """Say which files it was that ESPnet could not build a model from."""
    try:
        yield
    except Exception as e:  # as many kinds as a configuration has ways to be wrong
        files = " and ".join(f"{config} with {model}" for config, model in filter(None, pairs))
        raise UserError(f"{files}: no model of this kind can be built from them: {e!r}") from e


def _check_parameters(model: torch.nn.Module, found: Collection[str], path: PathLike) -> None:
    """ESPnet loads what is there and leaves the rest random, hence this."""
    expected = model.state_dict().keys()
    if hasattr(model, "s2t_model"):  # Speech2Text names parts of it a second time
        expected = {name for name in expected if name.startswith(("enh_model.", "s2t_model."))}
    missing = sorted(set(expected) - set(found))
    if missing:
        raise UserError(
            f"{path}: {len(missing)} parameter(s) of the configured model are missing "
            f"({listed(missing)}): give the configuration saved beside it"
        )
