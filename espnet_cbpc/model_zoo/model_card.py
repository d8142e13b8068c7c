# SPDX-License-Identifier: Apache-2.0
"""The model card of an exported model: what it is, how to use it, how good it is."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from espnet_cbpc.compat.releases import has_ctc_window
from espnet_cbpc.model.joint_config import asr_sampling_rate
from espnet_cbpc.model_zoo.decoding_config import DecodingConfig
from espnet_cbpc.tasks.options import PLUGIN_OPTIONS

TITLES = {
    "enh_asr": "Joint speech enhancement and recognition",
    "enh": "Speech enhancement only",
    "asr": "Speech recognition only",
}
# What Hugging Face and espnet.load() take a model to be for.
PIPELINE_TAGS = {
    "enh_asr": "automatic-speech-recognition",
    "asr": "automatic-speech-recognition",
    "enh": "audio-to-audio",
}
ENHANCE = """\
from espnet2.bin.enh_inference import SeparateSpeech
separate_speech = SeparateSpeech.from_pretrained("{name}.zip")
enhanced = separate_speech(speech[None], fs)[0][0]"""
SEARCH = """\
from espnet2.bin.asr_inference import Speech2Text
speech2text = Speech2Text.from_pretrained({arguments})
text, *_ = speech2text(speech)[0]{speaker}"""
# ESPnet's own search has no such decoding; a beam of 1 is another one.
BEST_PATH = """\
from itertools import groupby

import torch
from espnet2.bin.asr_inference import Speech2Text

speech2text = Speech2Text.from_pretrained({arguments})
model, samples = speech2text.asr_model, torch.tensor(speech, dtype=torch.float32)
with torch.no_grad():  # the best token of each frame, as for the scores below
    frames = model.encode(samples[None], torch.tensor([len(samples)]))[0]{speaker}
    path = model.ctc.argmax(frames)[0].tolist()
ids = [token for token, _ in groupby(path) if token not in (0, model.eos)]
text = speech2text.tokenizer.tokens2text(speech2text.converter.ids2tokens(ids))"""
# Of the training's options, those that say how the models were trained together.
SHOWN = (*PLUGIN_OPTIONS, "enh_criterions", "optim", "optim_conf", "max_epoch", "seed")
CITATION = """\
The method is from the first paper, of which this is an independent implementation; the
toolkit is ESPnet.

```bibtex
@article{lee2024cbpc,
  author  = {Lee, G. W. and Kim, H. K.},
  title   = {Cluster-Based Pairwise Contrastive Loss for Noise-Robust Speech Recognition},
  journal = {Sensors},
  volume  = {24},
  number  = {8},
  pages   = {2573},
  year    = {2024},
  doi     = {10.3390/s24082573}
}
@inproceedings{watanabe2018espnet,
  author    = {Shinji Watanabe and Takaaki Hori and Shigeki Karita and Tomoki Hayashi and
               Jiro Nishitoba and Yuya Unno and Nelson {Enrique Yalta Soplin} and Jahn Heymann and
               Matthew Wiesner and Nanxin Chen and Adithya Renduchintala and Tsubasa Ochiai},
  title     = {{ESPnet}: End-to-End Speech Processing Toolkit},
  booktitle = {Proceedings of Interspeech},
  pages     = {2207--2211},
  year      = {2018},
  doi       = {10.21437/Interspeech.2018-1456}
}
```"""


@dataclass(frozen=True)
class ModelCard:
    """A Markdown page with the metadata block that Hugging Face reads.

    Attributes:
        joint: configuration of the joint training.
        decoding: with which the scores were made.
        data: what the model was trained on.
        licence: identifier as Hugging Face has it (``apache-2.0``, ``cc-by-4.0``, ...); empty: none
            is stated.
        channels: those that the SE model takes, in words; empty: one.
        scores: a Markdown table, see :func:`espnet_cbpc.scoring.report.markdown.read_scores`.
    """

    joint: Mapping[str, Any]
    decoding: DecodingConfig
    data: str = ""
    licence: str = ""
    scores: str = ""
    channels: str = ""

    def page(self, names: Sequence[str]) -> str:
        """Return the page on archives.

        Args:
            names: of :data:`.export.ARCHIVES`; the metadata are those of the first one.
        """
        shown = {key: self.joint[key] for key in SHOWN if key in self.joint}
        parts = [
            f"---\n{yaml.safe_dump(self._metadata(names[0]), sort_keys=False)}---",
            "# Noise-robust speech recognition: SE and ASR trained jointly",
            f"Trained with espnet-cbpc on: {self.data or 'data not stated'}. "
            f"Licence of the models: {self.licence or 'not stated by their makers'}.",
            "## Use with stock ESPnet",
            f"`speech` is an array of samples{self._shape()}, `fs` their rate"
            f"{self._rate()}; with these options ESPnet gives the scores below.",
            *(f"{TITLES[name]}:\n\n```python\n{self._code(name)}\n```" for name in names),
            "## Scores",
            self.scores or "None were given.",
            "## Training",
            f"```yaml\n{yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)}```",
            "## Citation",
            CITATION,
        ]
        return "\n\n".join(parts) + "\n"

    def _metadata(self, name: str) -> dict[str, Any]:
        tags = ["espnet", "audio"]
        if name != "asr":
            tags.append("speech-enhancement")
        if name != "enh":
            tags.append("automatic-speech-recognition")
        meta = {"tags": tags, "library_name": "espnet", "pipeline_tag": PIPELINE_TAGS[name]}
        return {**meta, "license": self.licence} if self.licence else meta

    def _shape(self) -> str:
        if not self.channels:
            return ""
        return f" (samples, channels), for the SE model of {self.channels}"

    def _rate(self) -> str:
        stated = (self.joint.get("joint_conf") or {}).get("enh_fs") or asr_sampling_rate(self.joint)
        return f", {stated} Hz" if stated else ""

    def _code(self, name: str) -> str:
        if name == "enh":
            return ENHANCE.format(name=name)
        arguments = [f'"{name}.zip"']
        if name == "enh_asr":
            arguments.append("enh_s2t_task=True")
        if not self.decoding.ctc_greedy:
            arguments += self._search_options()
        code = BEST_PATH if self.decoding.ctc_greedy else SEARCH
        speaker = "[0]" if name == "enh_asr" else ""  # the joint task has a list of them
        return code.format(arguments=", ".join(arguments), speaker=speaker)

    def _search_options(self) -> list[str]:
        """Name what differs from ESPnet's own defaults, which are this package's but for one."""
        named = {"beam_size", "ctc_weight"}
        options = asdict(self.decoding)
        named |= {
            name for name, value in asdict(DecodingConfig()).items() if options[name] != value
        }
        arguments = [f"{name}={options[name]}" for name in options if name in named]
        if has_ctc_window() and "ctc_window_margin" not in named:
            arguments.append("ctc_window_margin=0")  # ESPnet's own is another one from 202611 on
        return arguments
