# SPDX-License-Identifier: Apache-2.0
"""The joint model: enhance, recognise, label, contrast, weigh."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

import torch
import torch.nn.functional as F
import torchaudio
from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.enh.espnet_enh_s2t_model import ESPnetEnhS2TModel
from espnet2.enh.espnet_model import ESPnetEnhancementModel
from espnet2.torch_utils.device_funcs import force_gatherable

from espnet_cbpc.compat.encoder_tap import EncoderOutput, tap_encoder
from espnet_cbpc.compat.input_channels import (
    gives_masks_in_training,
    input_channels,
    one_channel,
)
from espnet_cbpc.loss.ranks import Ranks
from espnet_cbpc.model.category import CATEGORIES, SIMU
from espnet_cbpc.model.criterion import Criterion
from espnet_cbpc.model.self_distillation import SelfDistillation
from espnet_cbpc.model.teacher import Teacher
from espnet_cbpc.model.training_batch import TrainingBatch
from espnet_cbpc.model.within_cluster_norm import WithinClusterNorm
from espnet_cbpc.tokenizer.abs_acoustic_tokenizer import AbsAcousticTokenizer
from espnet_cbpc.tokenizer.position_means import PositionMeans
from espnet_cbpc.utils.cli import UserError

UPDATES = ("joint", "enh", "asr")


class Enhanced(NamedTuple):
    """What the SE model made of a batch.

    Attributes:
        speech: (B, N), silent beyond each length.
        feature_mix, feature_pre, others: what else ESPnet's SE losses use.
    """

    speech: torch.Tensor
    feature_mix: torch.Tensor
    feature_pre: Optional[list[torch.Tensor]]
    others: dict[str, Any]

    def rows(self, rows: torch.Tensor) -> "Enhanced":
        """Return some of the utterances."""
        return Enhanced(
            self.speech[rows],
            self.feature_mix[rows],
            None if self.feature_pre is None else [f[rows] for f in self.feature_pre],
            {k: v[rows] if torch.is_tensor(v) else v for k, v in self.others.items()},
        )


class ESPnetEnhASRCBPCModel(ESPnetEnhS2TModel):
    """Joint SE and ASR with contrastive losses between enhanced and clean encoder frames.

    ``L = (1 - alpha) L_asr + alpha L_se + warm * sum_k weight_k L_k + weight_sd L_sd``

    Each loss is the mean over the utterances that have what it needs, times their share of the
    batch: a batch may mix simulated, real and clean recordings (see :mod:`.category`), and adding
    up gradients over batches does not depend on how the categories fell into them.

    The submodules ``enh_model`` and ``s2t_model`` are named as in stock ESPnet's joint model, so
    that stock ESPnet decodes and enhances with a checkpoint of this one. The structure follows
    the abstract of Lee and Kim (Sensors 24(8):2573, 2024); weights, warm-up, the projection, the
    kinds of teacher and what is updated are our choices.

    Args:
        enh_model: ESPnet's enhancement model, one speaker.
        s2t_model: ESPnet's ASR model.
        tokenizer: labels clean frames; needed where there are criterions.
        criterions: the contrastive losses; none makes this conventional joint training.
        alpha: weight of the SE loss against the ASR loss; at 1 no transcripts are needed.
        update: what is trained: ``joint``, ``enh`` (ASR frozen) or ``asr`` (SE frozen). What is
            frozen stays in evaluation mode.
        teacher: ``frozen``, ``ema`` or ``student``, see :class:`.teacher.Teacher`.
        ema_decay: of the ``ema`` teacher.
        layer: encoder block the tokenizer looks at, from 1; None: the output.
        loss_layers: those the contrastive losses look at, which are averaged over them; None: that
            of the tokenizer. The pseudo-labels are the same for all.
        center: subtract the mean of the tokenizer's clusters from both embeddings first, of other
            layers than its own the mean of the batch's clean frames. Encoder outputs share a large
            common part: without this, all cosines are near 1. Where the tokenizer takes the means
            of positions out, they are taken out of all layers (see :class:`.PositionMeans`).
        within_cluster_norm: shrinkage of :class:`.within_cluster_norm.WithinClusterNorm`, by which
            the embeddings of the tokenizer's layer are scaled; None: they are left as they are.
        projection_dim: size of a linear projection of both embeddings; None: no projection.
        warmup_steps: training batches over which the contrastive weights rise linearly from 0.
        shuffle_labels: give the frames of a batch one another's pseudo-labels: the control that
            tells what the labels contribute.
        self_distillation: options of :class:`.self_distillation.SelfDistillation`, a loss beside
            the contrastive ones; None: without it. It needs a frozen ASR model.
        observation_adding: share w in [0, 1) of noisy speech in the ASR model's input,
            (1 - w) enhanced + w noisy; the SE loss is of enhanced speech alone. Inference adds as
            much unless set otherwise.
        frozen_asr_dtype: ``bfloat16`` or ``float16``: what a frozen ASR model computes its matrix
            products in, for speed; losses and the SE model stay in float32. None: as they are.
        enh_fs, asr_fs: sampling rates in Hz of the data and the SE model, and of the ASR model,
            where they differ: enhanced and clean speech are resampled in between. None: they are
            equal.
        calc_enh_loss, bypass_enh_prob: as in ESPnet's joint model; the latter is for REAL.

    Raises:
        UserError: parts that do not fit each other.
        ValueError: an option out of range.
    """

    # what a checkpoint to start from need not hold: --tokenizer_init or training sets it
    SET_BY_TRAINING = (
        "tokenizer.",
        "teacher.",
        "within_cluster_norm.",
        "position_means.",
        "projection.",
        "trained_batches",
    )

    def __init__(
        self,
        enh_model: ESPnetEnhancementModel,
        s2t_model: ESPnetASRModel,
        tokenizer: Optional[AbsAcousticTokenizer] = None,
        criterions: Sequence[Criterion] = (),
        alpha: float = 0.5,
        update: str = "joint",
        teacher: str = "frozen",
        ema_decay: float = 0.999,
        layer: Optional[int] = None,
        loss_layers: Optional[Sequence[Optional[int]]] = None,
        center: bool = True,
        within_cluster_norm: Optional[float] = None,
        projection_dim: Optional[int] = None,
        warmup_steps: int = 0,
        shuffle_labels: bool = False,
        self_distillation: Optional[Mapping[str, Any]] = None,
        observation_adding: float = 0.0,
        frozen_asr_dtype: Optional[str] = None,
        enh_fs: Optional[int] = None,
        asr_fs: Optional[int] = None,
        calc_enh_loss: bool = True,
        bypass_enh_prob: float = 0.0,
    ):
        super().__init__(enh_model, s2t_model, calc_enh_loss, bypass_enh_prob)
        check_options(enh_model, s2t_model, tokenizer, criterions, alpha, update)
        if not 0.0 <= observation_adding < 1.0:
            raise ValueError(
                f"joint_conf.observation_adding must be in [0, 1), but is {observation_adding}"
            )
        if any(c.loss.needs_centroids for c in criterions) and loss_layers not in (None, [layer]):
            raise UserError(
                "token_cross_entropy looks at the tokenizer's layer: leave loss_layers out"
            )
        if (enh_fs is None) != (asr_fs is None):
            raise UserError("joint_conf: give both enh_fs and asr_fs, or neither")
        self.channels = input_channels(enh_model)
        self.criterions = torch.nn.ModuleList(criterions)
        self.alpha = alpha
        self.layer = layer
        self.loss_layers = [layer] if loss_layers is None else list(loss_layers)
        self.self_distillation = None
        if self_distillation is not None:
            self.self_distillation = made_self_distillation(s2t_model, self_distillation, update)
        layers = [layer, *self.loss_layers] if criterions else []
        self.tapped = list(dict.fromkeys([*layers, *([None] if self.self_distillation else [])]))
        self.center = center
        self.warmup_steps = warmup_steps
        self.shuffle_labels = shuffle_labels
        self.enh_fs, self.asr_fs = enh_fs, asr_fs
        self.observation_adding = observation_adding
        self.frozen_asr_dtype = checked_dtype(frozen_asr_dtype, update)
        self.frozen_parts = {"joint": [], "enh": [s2t_model], "asr": [enh_model]}[update]
        for part in self.frozen_parts:
            part.requires_grad_(False)

        self.tokenizer = self.teacher = self.projection = self.within_cluster_norm = None
        if self.tapped:
            # A frozen ASR model is its own frozen copy.
            self.teacher = Teacher(s2t_model, "student" if update == "enh" else teacher, ema_decay)
        if self.criterions:
            self.tokenizer = tokenizer
            self.position_means = self._position_means()
            if within_cluster_norm is not None:
                self.within_cluster_norm = WithinClusterNorm(
                    tokenizer.feature_dim, within_cluster_norm
                )
            if projection_dim is not None:
                self.projection = torch.nn.Linear(tokenizer.feature_dim, projection_dim)
            self.register_buffer("trained_batches", torch.zeros(()))
        self._first_batch = True  # whose checks wait for the device
        self.still_frozen_parts()  # Lightning trains a model in the modes that it comes with

    def forward(
        self, speech: torch.Tensor, speech_lengths: Optional[torch.Tensor] = None, **kwargs
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """Compute the loss of a batch.

        Args:
            speech: (B, N) noisy samples, or (B, N, C) of several channels, as many as the SE model
                takes. All but its reference channel serve that model alone.
            speech_lengths: (B,) in samples.
            kwargs: ``speech_ref1`` (B, N) or (B, N, C) clean samples (a REAL utterance's row is
                never used); ``text_spk1`` (or ``text``) (B, L) tokens padded with -1 and
                ``text_spk1_lengths`` (B,), not needed with ``alpha=1``; ``utt2category`` (B, 1)
                or else ``utt_id``: see :func:`.category.batch_categories`; ``labels`` (B, T)
                pseudo-labels of the clean speech, else made here from its embeddings.

        Returns:
            The loss, statistics for logging (nan where a loss had no utterance), and B.
        """
        learns = self.training and self.enh_model not in self.frozen_parts
        self.channels.check(speech, learns)
        batch = TrainingBatch.of(speech, speech_lengths, kwargs, self.channels.reference)
        encodes_clean = self.needs_clean_frames or (self.criterions and batch.labels is None)
        batch.check(self.needs_text, self.computes_enh_loss or encodes_clean)

        # 0. Before anything runs: batch normalisation moves the student in its forward pass
        self.prepare_teacher()

        # 1. Enhance: (B, N), or (B, N, C) of several channels -> (B, N)
        enhanced = self.enhance(batch)

        # 2. SE loss of the simulated utterances
        loss_enh, stats = self.enhancement_loss(enhanced, batch)

        # 3. ASR loss of all; its encoder's frames are caught on the way: (B, N) -> (B, T, D)
        heard = torch.lerp(enhanced.speech, batch.heard, self.observation_adding)
        loss_asr, asr_stats, encoded = self.recognition_loss(heard, batch)

        # 4. What the frames of enhanced speech are compared with: (B, N) -> (B, T, D)
        target = self.encode_clean(batch) if encodes_clean else None

        # 5. Contrastive losses and self-distillation of what has a clean reference
        loss, contrast_stats = self.contrastive_loss(encoded, target, batch)
        if self.self_distillation is not None:
            loss_sd, contrast_stats["loss_sd"] = self.distillation_loss(encoded, target, batch)
            loss = loss + self.self_distillation.weight * loss_sd

        # 6. Weigh
        if self.alpha < 1.0:
            loss = loss + (1.0 - self.alpha) * loss_asr
        if self.computes_enh_loss:
            loss = loss + self.alpha * loss_enh
        for i, name in enumerate(CATEGORIES):
            stats[f"num_{name.lower()}"] = (batch.category == i).sum().float()
        stats = {**asr_stats, **stats, **contrast_stats, "loss": loss.detach()}
        self._first_batch = False
        return force_gatherable((loss, stats, len(batch.category)), loss.device)

    def _position_means(self) -> torch.nn.ModuleDict:
        """Return means by position of the other layers than the tokenizer's, where it has its own."""
        own = getattr(self.tokenizer, "positions", None)
        others = [x for x in self.loss_layers if x != self.layer] if own is not None else []
        size = self.tokenizer.feature_dim
        return torch.nn.ModuleDict({str(x): PositionMeans(size, len(own.sums)) for x in others})

    @property
    def needs_text(self) -> bool:
        """Whether transcripts must come with the speech."""
        distils_text = self.self_distillation is not None and self.self_distillation.needs_text
        return self.alpha < 1.0 or distils_text

    @property
    def needs_clean_frames(self) -> bool:
        """Whether anything but the pseudo-labels of clean speech is needed."""
        if self.self_distillation is not None:
            return True
        if not self.criterions:
            return False
        centres_on_them = self.center and any(layer != self.layer for layer in self.loss_layers)
        return (
            any(criterion.loss.needs_clean for criterion in self.criterions)
            or self.within_cluster_norm is not None
            or centres_on_them
        )

    @property
    def computes_enh_loss(self) -> bool:
        """Whether the SE loss takes part at all."""
        return self.calc_enh_loss and self.alpha > 0.0

    def enhance(self, batch: TrainingBatch) -> Enhanced:
        """Enhance the speech of a batch."""
        learns = self.enh_model not in self.frozen_parts
        with torch.set_grad_enabled(learns and torch.is_grad_enabled()):
            speech, *details = self.enh_model.forward_enhance(
                self.channels.fitted(batch.speech), batch.lengths, {"num_spk": 1}
            )
        times = torch.arange(batch.speech.shape[1], device=batch.speech.device)
        # Padding that the SE model filled would leak into its loss and into the ASR model.
        enhanced = one_channel(speech[0], self.channels.reference)[:, : len(times)]
        silent = enhanced * (times < batch.lengths[:, None])
        return Enhanced(silent, *details)

    def enhancement_loss(
        self, enhanced: Enhanced, batch: TrainingBatch
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the SE loss of SIMU utterances, weighted by their share, and its statistics."""
        none = enhanced.speech.sum() * 0.0
        if not self.computes_enh_loss:
            return none, {}
        rows = (batch.category == SIMU).nonzero()[:, 0].to(enhanced.speech.device)
        names = [w.criterion.name for w in self.enh_model.loss_wrappers]
        if len(rows) == 0:
            return none, {n: torch.full((), torch.nan) for n in ("loss_enh", *names)}
        reference, lengths = batch.clean, batch.lengths
        if len(rows) < len(lengths):
            enhanced, reference, lengths = enhanced.rows(rows), reference[rows], lengths[rows]
        loss, stats, _, _ = self.enh_model.forward_loss(
            [enhanced.speech], lengths, *enhanced[1:], [reference]
        )
        loss = loss.reshape(())
        stats = {k: v for k, v in stats.items() if k != "loss"}
        share = len(rows) / len(batch.category)
        return loss * share, {"loss_enh": loss.detach(), **stats}

    def recognition_loss(
        self, enhanced: torch.Tensor, batch: TrainingBatch
    ) -> tuple[torch.Tensor, dict, EncoderOutput]:
        """Return the ASR loss, its statistics, and the encoder's frames."""
        enhanced, lengths = self.at_asr_rate(enhanced, batch.lengths)
        with self.asr_precision(enhanced), tap_encoder(self.s2t_model, self.tapped) as output:
            if self.alpha < 1.0:
                loss, stats, _ = self.s2t_model(enhanced, lengths, *batch.transcripts)
                stats = {k: v for k, v in stats.items() if k != "loss"}
                stats["loss_asr"] = loss.detach()
            else:
                loss, stats = enhanced.sum() * 0.0, {}
                if self.tapped:
                    self.s2t_model.encode(enhanced, lengths)
        return loss.reshape(()), stats, output

    def encode_clean(self, batch: TrainingBatch) -> EncoderOutput:
        """Return the teacher's frames of the clean speech of a batch."""
        clean, lengths = self.at_asr_rate(batch.clean, batch.lengths)
        with self.asr_precision(clean):
            return self.teacher(self.s2t_model, clean, lengths, self.tapped)

    def asr_precision(self, speech: torch.Tensor) -> contextlib.AbstractContextManager:
        """Return the context in which a frozen ASR model computes."""
        if self.frozen_asr_dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(speech.device.type, self.frozen_asr_dtype)

    def contrastive_loss(
        self, encoded: EncoderOutput, target: Optional[EncoderOutput], batch: TrainingBatch
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the weighted sum of the contrastive losses and their statistics."""
        loss = batch.heard.new_zeros(())
        if not self.criterions:
            return loss, {}

        # 1. Pseudo-labels: (B, T, D) -> (B, T)
        labels = self.dumped_labels(encoded, batch)
        if labels is None:
            labels = self.tokenizer(target.frames[self.layer], target.lengths)
        labels = labels.masked_fill(~batch.has_clean.to(labels.device)[:, None], -1)
        if self.shuffle_labels:
            labels = shuffled(labels)

        # 2. Contrast, in each layer
        ranks = Ranks(int(batch.has_clean.sum()), labels.device, active=self.training)
        # The trainer weighs each process by its share of all utterances; the criterions are those
        # of all processes already.
        warm = self.warmup() * (ranks.total_count / (ranks.size * len(batch.category)))
        stats = {"contrastive_warmup": self.warmup()}
        compared = [
            self.comparable(layer, encoded, target, labels, ranks) for layer in self.loss_layers
        ]
        for criterion in self.criterions:
            part, part_stats = criterion(compared, labels, encoded.lengths)
            loss = loss + criterion.weight * warm * part
            stats.update(part_stats)
        return loss, stats

    def distillation_loss(
        self, encoded: EncoderOutput, target: EncoderOutput, batch: TrainingBatch
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return self-distillation's loss, weighted by the share it is of, and its statistic."""
        rows = batch.has_clean.nonzero()[:, 0].to(encoded.lengths.device)
        if len(rows) == 0:
            return encoded.frames[None].sum() * 0.0, torch.full((), torch.nan)
        text = batch.transcripts and tuple(part[rows] for part in batch.transcripts)
        with self.asr_precision(batch.heard):
            loss = self.self_distillation(
                self.s2t_model,
                encoded.frames[None][rows],
                target.frames[None][rows],
                encoded.lengths[rows],
                text,
            )
        return loss * (len(rows) / len(batch.category)), loss.detach()

    def comparable(
        self,
        layer: Optional[int],
        encoded: EncoderOutput,
        target: Optional[EncoderOutput],
        labels: torch.Tensor,
        ranks: Ranks,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Bring a layer's embeddings into the space of comparison.

        Returns:
            Enhanced and clean embeddings (B, T, D), and the tokenizer's centroids (K, D).
        """
        h, centroids = encoded.frames[layer], self.tokenizer.centroids
        c = h.detach() if target is None else target.frames[layer]  # or nothing looks at it
        if layer == self.layer:
            h, c = self.tokenizer.seen(h), self.tokenizer.seen(c)
        elif str(layer) in self.position_means:
            means = self.position_means[str(layer)]
            if self.training:
                follow_positions(means, c, labels >= 0, ranks)
            h, c = means(h), means(c)
        if self.center:
            own = layer == self.layer
            mean = self.tokenizer.mean if own else mean_frame(c, labels >= 0, ranks)
            h, c, centroids = (x - mean for x in (h, c, centroids))
        if self.within_cluster_norm is not None and layer == self.layer:
            if self.training:
                self.within_cluster_norm.follow(c, labels, centroids, ranks)
            h, c, centroids = (self.within_cluster_norm(x) for x in (h, c, centroids))
        if self.projection is not None:
            h, c, centroids = (self.projection(x) for x in (h, c, centroids))
        return h, c, centroids

    def dumped_labels(self, encoded: EncoderOutput, batch: TrainingBatch) -> Optional[torch.Tensor]:
        """Return the pseudo-labels (B, T) that came with the data, or None if none did."""
        if batch.labels is None:
            return None
        if self._first_batch:
            # ESPnet's subsampling rounds a padded utterance's length up and another's down.
            differs = (batch.labels_lengths - encoded.lengths).abs() > 2
            wrong = int((differs.cpu() & batch.has_clean).sum())
            if wrong:
                raise UserError(
                    f"dumped labels of {wrong} of {len(batch.category)} utterances have another "
                    "number of frames than the encoder makes: dump them again with this ASR model "
                    "(espnet_cbpc.bin.dump_encoder_features, then dump_labels)"
                )
        frames = encoded.frames[self.layer].shape[1]
        return F.pad(batch.labels.long(), (0, frames - batch.labels.shape[1]), value=-1)

    def prepare_teacher(self) -> None:
        """Check the tokenizer at first; in training, let the teacher follow and count the batch."""
        if self.teacher is None:
            return
        if self._first_batch and self.criterions and not self.tokenizer.fitted:
            raise UserError(
                "the acoustic tokenizer is not fitted: give --tokenizer_init FILE, which "
                "espnet_cbpc.bin.fit_tokenizer makes, or load a checkpoint that holds one"
            )
        if self.training:
            self.teacher.follow(self.s2t_model)
        if self.training and self.criterions:
            self.trained_batches += 1.0

    def warmup(self) -> torch.Tensor:
        """Return the factor of the contrastive weights, from 0 to 1."""
        if self.warmup_steps <= 0:
            return torch.ones_like(self.trained_batches)
        return (self.trained_batches / self.warmup_steps).clamp(max=1.0)

    def train(self, mode: bool = True) -> "ESPnetEnhASRCBPCModel":
        """Set the mode; frozen parts stay in evaluation mode (no dropout, fixed statistics)."""
        super().train(mode)
        self.still_frozen_parts()
        return self

    def still_frozen_parts(self) -> None:
        """Put what is frozen into evaluation mode, regardless of the mode of the model."""
        for part in self.frozen_parts:
            part.eval()
            for module in part.modules():
                # cuDNN computes a recurrent layer's gradient in training mode only
                if self.training and isinstance(module, torch.nn.RNNBase):
                    module.dropout = 0.0
                    module.train()

    def collect_feats(
        self, speech: torch.Tensor, speech_lengths: torch.Tensor, **kwargs
    ) -> dict[str, torch.Tensor]:
        """Return the ASR features of unenhanced speech (B, T, F); no transcripts are needed."""
        self.channels.check(speech)
        batch = TrainingBatch.of(speech, speech_lengths, kwargs, self.channels.reference)
        speech, lengths = self.at_asr_rate(batch.heard, batch.lengths)
        return self.s2t_model.collect_feats(speech, lengths, None, None)

    def at_asr_rate(
        self, speech: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return speech (B, N) and lengths (B,) at the sampling rate of the ASR model."""
        if self.asr_fs == self.enh_fs:
            return speech, lengths
        speech = torchaudio.functional.resample(speech, self.enh_fs, self.asr_fs)
        return speech, -(-lengths * self.asr_fs // self.enh_fs)  # rounded up, as the samples are


def made_self_distillation(
    s2t_model: ESPnetASRModel, options: Mapping[str, Any], update: str
) -> SelfDistillation:
    """Return the loss of ``joint_conf.self_distillation``."""
    if update != "enh":
        raise UserError(
            "joint_conf.self_distillation needs a frozen ASR model: set update to enh "
            "(--asr_update false)"
        )
    try:
        return SelfDistillation(s2t_model, **options)
    except TypeError as e:
        raise UserError(f"joint_conf.self_distillation: {e}") from e


def checked_dtype(name: Optional[str], update: str) -> Optional[torch.dtype]:
    """Return the type that ``joint_conf.frozen_asr_dtype`` names."""
    if name is None:
        return None
    if name not in ("bfloat16", "float16"):
        raise ValueError(
            f"joint_conf.frozen_asr_dtype must be bfloat16, float16 or null, but is {name!r}"
        )
    if update != "enh":
        raise UserError(
            "joint_conf.frozen_asr_dtype needs a frozen ASR model: set update to enh "
            "(--asr_update false)"
        )
    return getattr(torch, name)


def mean_frame(frames: torch.Tensor, valid: torch.Tensor, ranks: Ranks) -> torch.Tensor:
    """Return the mean (D,) of the ``valid`` (B, T) of ``frames`` (B, T, D), of all processes."""
    kept = frames.detach()[valid].float()
    total = ranks.total(torch.cat([kept.sum(0), kept.new_tensor([float(len(kept))])]))
    return total[:-1] / total[-1].clamp(min=1.0)


def follow_positions(
    means: PositionMeans, frames: torch.Tensor, valid: torch.Tensor, ranks: Ranks
) -> None:
    """Let means by position take in the ``valid`` (B, T) of ``frames`` (B, T, D), of all processes."""
    length = len(means.sums)  # the same on all processes, whose batches differ in length
    kept = F.pad(valid, (0, max(0, length - valid.shape[1])))[:, :length]
    sums = (frames.detach().float() * valid[..., None]).sum(0)
    sums = F.pad(sums, (0, 0, 0, max(0, length - len(sums))))[:length]
    means.add(ranks.total(sums), ranks.total(kept.sum(0).float()))


def shuffled(labels: torch.Tensor) -> torch.Tensor:
    """Return ``labels`` (B, T) permuted over the frames that have one (-1: none)."""
    found = labels[labels >= 0]
    return labels.masked_scatter(
        labels >= 0, found[torch.randperm(len(found), device=labels.device)]
    )


def check_options(
    enh_model: ESPnetEnhancementModel,
    s2t_model: ESPnetASRModel,
    tokenizer: Optional[AbsAcousticTokenizer],
    criterions: Sequence,
    alpha: float,
    update: str,
) -> None:
    """Raise an error that says what does not fit, before any training."""
    if not isinstance(s2t_model, ESPnetASRModel):
        raise UserError(f"subtask_series must be enh asr, but gave a {type(s2t_model).__name__}")
    if enh_model.num_spk != 1:
        raise UserError(
            f"the SE model separates {enh_model.num_spk} speakers: set num_spk to 1 in its conf"
        )
    if update != "asr" and gives_masks_in_training(enh_model):
        raise UserError(
            "the SE model's beamformer outputs masks in training, not speech to recognise: set "
            "loss_type to spectrum in enh_separator_conf"
        )
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f"joint_conf.alpha must be in [0, 1], but is {alpha}")
    if update not in UPDATES:
        raise ValueError(f"joint_conf.update must be one of {UPDATES}, but is {update!r}")
    if criterions and tokenizer is None:
        raise UserError("contrastive criterions need a tokenizer: set --tokenizer kmeans")
