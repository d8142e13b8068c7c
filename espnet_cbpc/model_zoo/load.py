# SPDX-License-Identifier: Apache-2.0
"""Pretrained ASR and SE models of ESPnet, built with everything packed with them, and verified."""

import argparse
import logging
from pathlib import Path
from typing import Any, Optional

import torch

from espnet_cbpc.compat.weights import load_weights, read_weights
from espnet_cbpc.model_zoo.locate import Model, ModelFiles, find, settled
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import PathLike


def load_asr(
    model: Model, cachedir: Optional[PathLike] = None, checkpoint: Optional[str] = None
) -> tuple[torch.nn.Module, argparse.Namespace]:
    """Return an ASR model, in evaluation mode, and its training options.

    Args:
        model, cachedir, checkpoint: see :func:`.locate.find`.

    Raises:
        UserError: see :func:`.locate.find`; further a missing file, a model that ESPnet
            cannot build (a module that it does not know, a package that is not installed), parameters
            that are missing, left over or of another shape, a vocabulary that does not fit.
    """
    from espnet2.tasks.asr import ASRTask  # slow to import

    from espnet_cbpc.compat.owsm import support_owsm
    from espnet_cbpc.compat.transducer import support_transducers
    from espnet_cbpc.compat.whisper import support_whisper

    support_transducers()
    support_whisper()
    support_owsm()
    files = find(model, "asr", cachedir, checkpoint)
    built, args = _build(ASRTask, files)
    _check_vocabulary(args, files.config)
    return built, args


def load_enh(
    model: Model, cachedir: Optional[PathLike] = None, checkpoint: Optional[str] = None
) -> tuple[torch.nn.Module, argparse.Namespace]:
    """Return an SE model, in evaluation mode, and its training options; see :func:`load_asr`."""
    from espnet2.tasks.enh import EnhancementTask  # slow to import

    from espnet_cbpc.compat.wpe import support_doubled_channels

    support_doubled_channels()
    return _build(EnhancementTask, find(model, "enh", cachedir, checkpoint))


def _build(task: type[Any], files: ModelFiles) -> tuple[torch.nn.Module, argparse.Namespace]:
    args = argparse.Namespace(**settled(files.config))
    if getattr(args, "use_adapter", False):
        raise UserError(f"{files.config}: the model has adapters: merge them into it first")
    weights = read_weights(files.checkpoint)
    _check_vocabulary_size(args, weights, files)
    try:
        built = task.build_model(args)
    except UserError:
        raise
    except Exception as e:  # as many kinds as a configuration has ways to be wrong
        raise UserError(
            f"{files.config}: ESPnet cannot build this model ({e!r}): install the package that it "
            "needs, or correct the configuration"
        ) from e
    load_weights(built, weights, files.checkpoint)
    return built.eval(), args


def _check_vocabulary_size(args: argparse.Namespace, weights, files: ModelFiles) -> None:
    trained = weights.get("ctc.ctc_lo.weight")
    tokens = getattr(args, "token_list", None)
    if trained is None or not isinstance(tokens, list) or len(tokens) == len(trained):
        return
    raise UserError(
        f"{files.config}: a vocabulary of {len(tokens)} tokens, but {files.checkpoint} was trained "
        f"with one of {len(trained)}: give the configuration that was saved beside it"
    )


def _check_vocabulary(args: argparse.Namespace, config: Path) -> None:
    """Compare the pieces of a BPE model with the token list."""
    if args.token_type != "bpe" or args.bpemodel is None:
        return
    import sentencepiece

    bpe = sentencepiece.SentencePieceProcessor()
    try:
        bpe.load(args.bpemodel)
    except (RuntimeError, OSError) as e:
        raise UserError(f"{args.bpemodel}: not a readable sentencepiece model ({e})") from e
    plain = [i for i in range(len(bpe)) if not (bpe.is_control(i) or bpe.is_unknown(i))]
    unknown = sorted({bpe.id_to_piece(i) for i in plain} - set(args.token_list))
    if len(unknown) > len(plain) // 2:
        raise UserError(
            f"{config}: {len(unknown)} of {len(plain)} pieces of {args.bpemodel} are not in the "
            f"token list ({listed(unknown)}): the BPE model belongs to another ASR model"
        )
    if unknown:
        logging.warning(
            "%s: %d of %d pieces are not in the token list (%s), and will be <unk>",
            args.bpemodel,
            len(unknown),
            len(plain),
            listed(unknown),
        )
