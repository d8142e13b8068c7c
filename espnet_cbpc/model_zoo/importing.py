# SPDX-License-Identifier: Apache-2.0
"""Import a pretrained model into an experiment folder of a recipe."""

import shutil
from pathlib import Path
from typing import Optional

import torch

from espnet_cbpc.compat.parameter_names import named_for_all_releases
from espnet_cbpc.data.kaldi.atomic_dir import whole_directory
from espnet_cbpc.model_zoo.config_files import bring_files
from espnet_cbpc.model_zoo.decoding_config import PACKED
from espnet_cbpc.model_zoo.load import load_asr, load_enh
from espnet_cbpc.model_zoo.locate import Model, find
from espnet_cbpc.utils.files import PathLike, write_yaml


def import_model(
    kind: str,
    model: Model,
    outdir: PathLike,
    cachedir: Optional[PathLike] = None,
    checkpoint: Optional[str] = None,
) -> int:
    """Write ``config.yaml``, ``model.pth`` and the files that the configuration names.

    Options of decoding that are packed with the model come with it.

    Args:
        kind: ``asr`` or ``enh``.
        model, cachedir, checkpoint: see :func:`.locate.find`.
        outdir: the folder, which is written atomically.

    Returns:
        The number of the model's parameters.

    Raises:
        UserError: see :func:`.load.load_asr`.
    """
    files = find(model, kind, cachedir, checkpoint)
    built, args = {"asr": load_asr, "enh": load_enh}[kind](files)
    packed = files.checkpoint.with_name(PACKED)
    with whole_directory(outdir, is_data_directory=False) as folder:
        config = vars(args)
        bring_files(config, folder, known_as=Path(outdir))
        write_yaml(folder / "config.yaml", config)
        if packed.is_file():
            shutil.copyfile(packed, folder / PACKED)
        torch.save(named_for_all_releases(built), folder / "model.pth")
    return sum(p.numel() for p in built.parameters())
