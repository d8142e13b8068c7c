# SPDX-License-Identifier: Apache-2.0
"""The folder of a Hugging Face Space that shows the page with a packed model."""

import re
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from espnet_cbpc import __version__
from espnet_cbpc.data.kaldi.atomic_dir import whole_directory
from espnet_cbpc.model_zoo.locate import ARCHIVE_SUFFIXES
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.extras import needs_extra
from espnet_cbpc.utils.files import PathLike

APP = '''\
"""The page of espnet-cbpc; Hugging Face puts it behind its own address."""

from espnet_cbpc.bin.demo import main

main(["--model", {model!r}, "--host", "0.0.0.0", "--port", "7860"])
'''
README = """\
---
{front_matter}---

# {title}

Noisy and enhanced speech side by side, with the transcript of each. The model is {model}.

To try it here: `pip install -r requirements.txt`, then `python app.py`, and open
<http://127.0.0.1:7860>.

To put it on Hugging Face: `hf upload USER/NAME . --repo-type space`, in this folder.
"""
TITLE = "Noise-robust speech recognition"
HUB_ID = r"[\w.-]+/[\w.-]+(@\S+)?"


def write_space(folder: PathLike, model: str, licence: str = "") -> None:
    """Write ``app.py``, ``requirements.txt``, ``README.md`` and, of an archive, a copy of it.

    Args:
        folder: which must be empty, or not be there.
        model: a packed joint model: an archive, or a zoo tag, Hugging Face id or URL, which the
            Space then fetches when it starts.
        licence: identifier as Hugging Face has it; empty: none is stated.

    Raises:
        UserError: the folder holds something, the model is not a packed one, or Gradio is not
            installed.
    """
    folder, archive = Path(folder), Path(model)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: already exists: give --space another name, or remove it")
    if archive.is_dir() or archive.suffix == ".pth":
        raise UserError(f"{model}: not a packed model: give the archive that the export makes")
    if not archive.is_file() and (
        model.startswith((".", "/", "~")) or model.lower().endswith(ARCHIVE_SUFFIXES)
    ):
        raise UserError(f"{model}: no such archive: pack the model first (--expdir and --outdir)")
    name = archive.name if archive.is_file() else model
    front_matter = yaml.safe_dump(
        _front_matter(model, licence), sort_keys=False, allow_unicode=True
    )
    readme = README.format(front_matter=front_matter, title=TITLE, model=f"`{name}`")
    with whole_directory(folder, is_data_directory=False) as made:
        (made / "app.py").write_text(APP.format(model=name), encoding="utf-8")
        (made / "requirements.txt").write_text(f"espnet-cbpc[demo]=={__version__}\n")
        (made / "README.md").write_text(readme, encoding="utf-8")
        if archive.is_file():
            shutil.copy(archive, made)
            # which the Hub asks for of large files
            (made / ".gitattributes").write_text(f"{name} filter=lfs diff=lfs merge=lfs -text\n")


def _front_matter(model: str, licence: str) -> dict[str, Any]:
    """Return what https://huggingface.co/docs/hub/spaces-config-reference asks for."""
    with needs_extra("a Space, which names its version,", "demo"):
        gradio = version("gradio")
    meta: dict[str, Any] = {
        "title": TITLE,
        "emoji": "🔊",
        "colorFrom": "blue",
        "colorTo": "indigo",
        "sdk": "gradio",
        "sdk_version": gradio,
        "python_version": "3.12",
        "app_file": "app.py",
    }
    if not Path(model).is_file() and re.fullmatch(HUB_ID, model):
        meta["models"] = [model.partition("@")[0]]
    return {**meta, "license": licence} if licence else meta
