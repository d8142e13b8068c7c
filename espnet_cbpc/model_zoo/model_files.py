"""The files of models: given in pairs, or found wherever they are."""

from pathlib import Path
from typing import Dict, Optional, Tuple

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import PathLike


def pair(
    name: str, config: Optional[PathLike], model: Optional[PathLike]
) -> Optional[Tuple[PathLike, PathLike]]:
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
