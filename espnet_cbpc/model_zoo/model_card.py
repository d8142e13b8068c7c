"""The page that goes with an exported model: what it is, how to use it, how good it is."""

import json
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Union

import yaml

from espnet_cbpc.scoring.markdown import system_scores
from espnet_cbpc.scoring.system_names import find_system
from espnet_cbpc.tasks.options import PLUGIN_OPTIONS
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.files import atomic_write

USES = {
    "enh_asr": (
        "Speech enhancement and recognition in one",
        "from espnet2.bin.asr_inference import Speech2Text\n"
        'speech2text = Speech2Text.from_pretrained("{name}", enh_s2t_task=True)\n'
        "text, *_ = speech2text(speech)[0][0]",
    ),
    "enh": (
        "Speech enhancement alone",
        "from espnet2.bin.enh_inference import SeparateSpeech\n"
        'separate_speech = SeparateSpeech.from_pretrained("{name}")\n'
        "enhanced = separate_speech(speech[None], fs)[0][0]",
    ),
    "asr": (
        "Speech recognition alone",
        "from espnet2.bin.asr_inference import Speech2Text\n"
        'speech2text = Speech2Text.from_pretrained("{name}")\n'
        "text, *_ = speech2text(speech)[0]",
    ),
}
# Of the training's options, those that say how the models were trained together.
SHOWN = (*PLUGIN_OPTIONS, "enh_criterions", "optim", "optim_conf", "max_epoch", "seed")
CITATION = """\
The method is that of the following paper, of which this is an independent implementation; the
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


def write_model_card(
    path: Union[str, Path],
    archives: Sequence[Path],
    joint: Mapping[str, Any],
    data: str = "",
    licence: str = "",
    scores: str = "",
) -> None:
    """Write a Markdown page with the metadata block that Hugging Face reads.

    Args:
        path: the file, ``README.md`` by custom.
        archives: of :func:`.export.export`.
        joint: configuration of the joint training.
        data: what the model was trained on.
        licence: identifier as Hugging Face has it (``apache-2.0``, ``cc-by-4.0``, ...); empty: none
            is stated.
        scores: a Markdown table, see :func:`read_scores`.
    """
    names = [archive.stem for archive in archives]
    meta: Dict[str, Any] = {
        "tags": ["espnet", "audio", "speech-enhancement", "automatic-speech-recognition"],
        "library_name": "espnet",
    }
    if licence:
        meta["license"] = licence
    shown = {key: joint[key] for key in SHOWN if key in joint}
    parts = [
        f"---\n{yaml.safe_dump(meta, sort_keys=False)}---",
        "# Noise-robust speech recognition: SE and ASR trained jointly",
        f"Trained with espnet-cbpc on: {data or 'data that were not stated'}. "
        f"Licence of the models: {licence or 'not stated by their makers'}.",
        "## Use with stock ESPnet",
        *(f"{USES[n][0]}:\n\n```python\n{USES[n][1].format(name=f'{n}.zip')}\n```" for n in names),
        "## Scores",
        scores or "None were given.",
        "## Training",
        f"```yaml\n{yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)}```",
        "## Citation",
        CITATION,
    ]
    with atomic_write(path) as f:
        f.write("\n\n".join(parts) + "\n")


def read_scores(results: Union[str, Path], system: Optional[str]) -> str:
    """Return the table of one system's scores.

    Args:
        results: ``results.json`` of a report.
        system: name of the system in it, or what stands in brackets at its end; None: the last.

    Raises:
        UserError: no such file, not a report, or no such system in it.
    """
    try:
        report = json.loads(Path(results).read_text(encoding="utf-8"))
        systems = report["systems"]
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise UserError(f"{results}: not the results of a report ({e!r}): run stage 16") from e
    found = systems[-1] if system is None else find_system(systems, system)
    if found is None:
        raise UserError(f"{results}: no system {system!r} in it, but {listed(systems)}")
    where = ", ".join(f"{key}: {value}" for key, value in report["header"].items())
    return f"{system_scores(report, found)}\n\n{where}"
