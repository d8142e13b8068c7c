# SPDX-License-Identifier: Apache-2.0
"""Task of joint SE and ASR training with contrastive losses on acoustic tokens."""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Callable, Optional

import numpy as np
from espnet2.tasks.enh_s2t import EnhS2TTask
from espnet2.train.class_choices import ClassChoices
from espnet2.utils.get_default_kwargs import get_default_kwargs
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import str_or_none

from espnet_cbpc.compat.fused_norm import fuse_norms
from espnet_cbpc.compat.owsm import support_owsm
from espnet_cbpc.compat.releases import check_frame_counting
from espnet_cbpc.compat.transducer import support_transducers
from espnet_cbpc.compat.whisper import set_prompt, support_whisper
from espnet_cbpc.compat.wpe import support_doubled_channels
from espnet_cbpc.loss.abs_contrastive import AbsContrastiveLoss
from espnet_cbpc.loss.cbpc import CBPCLoss
from espnet_cbpc.loss.feature_matching import FeatureMatchingLoss
from espnet_cbpc.loss.infonce import InfoNCELoss
from espnet_cbpc.loss.token_cross_entropy import TokenCrossEntropyLoss
from espnet_cbpc.model.category import category_index
from espnet_cbpc.model.criterion import Criterion
from espnet_cbpc.model.espnet_model import ESPnetEnhASRCBPCModel
from espnet_cbpc.tasks.dynamic_mixing_task import DynamicMixingTask
from espnet_cbpc.tasks.training_run import TrainingRun
from espnet_cbpc.tokenizer.abs_acoustic_tokenizer import AbsAcousticTokenizer
from espnet_cbpc.tokenizer.kmeans import KMeansTokenizer
from espnet_cbpc.utils.cli import UserError

tokenizer_choices = ClassChoices(
    "tokenizer",
    classes={"kmeans": KMeansTokenizer},
    type_check=AbsAcousticTokenizer,
    default="kmeans",
)
contrastive_choices = ClassChoices(
    "contrastive_criterions",
    classes={
        "cbpc": CBPCLoss,
        "infonce": InfoNCELoss,
        "feature_matching": FeatureMatchingLoss,
        "token_cross_entropy": TokenCrossEntropyLoss,
    },
    type_check=AbsContrastiveLoss,
)

# Arguments of the model that are not options of --joint_conf: parts that build_model makes, and
# those that stock ESPnet knows, which stay in --model_conf so that it can load the model.
NOT_JOINT_CONF = ("tokenizer", "criterions", "calc_enh_loss", "bypass_enh_prob")


class CategoryPreprocessor:
    """Turns the word in utt2category into a number; leaves the rest to ESPnet's preprocessor.

    Args:
        preprocess: ESPnet's, or None.
    """

    def __init__(self, preprocess: Optional[Callable]):
        self.preprocess = preprocess

    def __call__(self, uid: str, data: dict) -> dict[str, np.ndarray]:
        """Process one utterance's data, by name."""
        category = data.pop("utt2category", None)
        if self.preprocess is not None:
            data = self.preprocess(uid, data)
        if category is not None:
            data["utt2category"] = np.array([category_index(category, uid)])
        return data


class EnhASRCBPCTask(TrainingRun, DynamicMixingTask, EnhS2TTask):
    """ESPnet's joint SE and ASR task, with an acoustic tokenizer and contrastive criterions.

    Adds the options ``--tokenizer``, ``--tokenizer_conf``, ``--tokenizer_init``,
    ``--contrastive_criterions``, ``--joint_conf`` and ``--dynamic_mixing_conf``, and the optional
    data ``utt2category`` and ``labels`` (pseudo-labels dumped beforehand).
    """

    transcripts = "text_spk1"
    class_choices_list = EnhS2TTask.class_choices_list + [tokenizer_choices]

    @classmethod
    def main_worker(cls, args: argparse.Namespace) -> None:
        """Train in this process; see :meth:`.TrainingRun.main_worker`."""
        for path, name, _ in (
            *args.train_data_path_and_name_and_type,
            *args.valid_data_path_and_name_and_type,
        ):
            if name == "labels":
                check_labels(Path(path))
        super().main_worker(args)

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add the options of the stock joint task and those of this one."""
        super().add_task_arguments(parser)
        group = parser.add_argument_group(description="CBPC related")
        group.add_argument(
            "--joint_net_conf",
            action=NestedDictAction,
            default=None,
            help="The keyword arguments for the joint network class of a transducer",
        )
        group.add_argument(
            "--tokenizer_init",
            type=str_or_none,
            default=None,
            help="File of a fitted tokenizer; read when training starts",
        )
        group.add_argument(
            "--contrastive_criterions",
            action=NestedDictAction,
            default=[
                {"name": "cbpc", "conf": {}, "weight": 1.0},
                {"name": "infonce", "conf": {}, "weight": 1.0},
            ],
            help="Contrastive losses as a list of {name, conf, weight}; [] for none",
        )
        joint_conf = get_default_kwargs(ESPnetEnhASRCBPCModel)
        group.add_argument(
            "--joint_conf",
            action=NestedDictAction,
            default={k: v for k, v in joint_conf.items() if k not in NOT_JOINT_CONF},
            help="Weights of the losses, which models are trained, and the teacher",
        )

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool) -> Optional[Callable]:
        """Return the stock preprocessor with categories added, followed by mixing in training."""
        support_whisper()
        preprocess = super().build_preprocess_fn(args, train)
        set_prompt(preprocess, args.token_list, args.asr_decoder_conf)
        return cls.mix_after(CategoryPreprocessor(preprocess), args, train)

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Return the data that must be given; references are asked for where a loss needs them."""
        return ("speech",)

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Return the data that may be given."""
        own = ("speech_ref1", "utt2category", "labels")
        return super().optional_data_names(train, inference) + own

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ESPnetEnhASRCBPCModel:
        """Build the joint model; also from the configuration of a stock joint model.

        Raises:
            UserError: a criterion or option that does not exist, or parts that do not fit.
        """
        support_transducers()
        support_whisper()
        support_owsm()
        support_doubled_channels()
        stock = fuse_norms(super().build_model(args))
        listed = getattr(args, "contrastive_criterions", None) or []
        tokenizer = cls.build_tokenizer(args, stock.s2t_model) if listed else None
        joint_conf = getattr(args, "joint_conf", None) or {}
        for key in joint_conf:
            if key in NOT_JOINT_CONF or key not in get_default_kwargs(ESPnetEnhASRCBPCModel):
                raise UserError(f"joint_conf has an unknown key {key!r}")
        criterions: list[Criterion] = []
        for options in listed:
            criterions.append(cls.build_criterion(options, [c.name for c in criterions]))
        return ESPnetEnhASRCBPCModel(
            enh_model=stock.enh_model,
            s2t_model=stock.s2t_model,
            tokenizer=tokenizer,
            criterions=criterions,
            **args.model_conf,
            **joint_conf,
        )

    @classmethod
    def build_criterion(cls, options: dict, taken: Sequence[str] = ()) -> Criterion:
        """Build a contrastive loss from ``{name, conf, weight}``.

        Where there is one of that name already, it is numbered (cbpc, cbpc2, ...).
        """
        unknown = set(options) - {"name", "conf", "weight"}
        if "name" not in options or unknown:
            raise UserError(
                f"contrastive_criterions: {options} must have a name, and optionally conf and weight"
            )
        if options["name"] not in contrastive_choices.classes:
            raise UserError(
                f"contrastive_criterions: unknown criterion {options['name']!r}; there are "
                f"{', '.join(contrastive_choices.classes)}"
            )
        loss = contrastive_choices.get_class(options["name"])(**options.get("conf", {}))
        count = sum(name.startswith(options["name"]) for name in taken)
        name = options["name"] + (str(count + 1) if count else "")
        return Criterion(name, loss, options.get("weight", 1.0))

    @classmethod
    def build_tokenizer(cls, args: argparse.Namespace, asr_model) -> Optional[AbsAcousticTokenizer]:
        """Build the tokenizer: from ``tokenizer_init`` if that file exists, else empty.

        A model that is loaded from a checkpoint finds the centroids there, so the file may be
        gone by then; training with an empty one stops at the first batch.
        """
        tokenizer_class = tokenizer_choices.get_class(args.tokenizer)
        if tokenizer_class is None:
            return None
        init = getattr(args, "tokenizer_init", None)
        if init is not None and Path(init).is_file():
            tokenizer = tokenizer_class.load(init)
            # ESPnet writes args to config.yaml after this: a later load needs the sizes only.
            args.tokenizer_conf = dict(args.tokenizer_conf, **tokenizer.sizes)
        else:
            if init is not None:
                logging.warning(f"{init}: no such file; the tokenizer must come from a checkpoint")
            tokenizer = tokenizer_class(**args.tokenizer_conf)
        size = asr_model.encoder.output_size()
        if tokenizer.feature_dim != size:
            raise UserError(
                f"the tokenizer labels frames of {tokenizer.feature_dim} dimensions, but the ASR "
                f"encoder makes {size}: fit it on this ASR model (espnet_cbpc.bin.fit_tokenizer)"
            )
        return tokenizer


def check_labels(scp: Path) -> None:
    """Raise ``UserError`` where dumped pseudo-labels do not fit this release's frames."""
    made = scp.with_name("labels.json")
    frames = json.loads(made.read_text(encoding="utf-8"))["frames"] if made.is_file() else ""
    check_frame_counting(frames, str(scp), "dump encoder features and labels again")
