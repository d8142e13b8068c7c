# SPDX-License-Identifier: Apache-2.0
"""Find a pretrained model, wherever it is: on disk, in an archive, at a URL or in a model zoo."""

import hashlib
import os
import re
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

from filelock import FileLock

from espnet_cbpc.compat.option_names import PACKED_AS, as_asr_config, model_kind
from espnet_cbpc.data.kaldi.atomic_dir import whole_directory
from espnet_cbpc.model_zoo.config_files import with_absolute_paths
from espnet_cbpc.model_zoo.whisper_name import FORM, WhisperName
from espnet_cbpc.utils.cli import UserError, listed
from espnet_cbpc.utils.download import download, unpack
from espnet_cbpc.utils.files import PathLike, file_digest, read_yaml, write_yaml

Model = Union[PathLike, tuple[PathLike, PathLike]]

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
# Of an experiment folder, the first of these that is there; averages are what ESPnet decodes with.
CHECKPOINTS = ("valid.*.ave.pth", "valid.*.ave_*best.pth", "valid.*.best.pth", "model.pth", "*.pth")
KINDS = {"asr": "ASR", "enh": "SE", "enh_asr": "joint SE and ASR", "other": "another kind of"}
FORMS = (
    "give a folder, a packed archive, 'config.yaml,model.pth', a checkpoint with its "
    "config.yaml beside it, a URL, a tag of espnet_model_zoo, user/name[@revision] of Hugging Face, "
    f"or {FORM}"
)


class ModelFiles(NamedTuple):
    """A model's configuration and its checkpoint."""

    config: Path
    checkpoint: Path


def locate(
    model: Model, kind: str, cachedir: Optional[PathLike] = None, checkpoint: Optional[str] = None
) -> ModelFiles:
    """Do as :func:`find`, and return a configuration in which every path is absolute.

    It is a file in ``cachedir``, which ESPnet's own classes take from any working directory.

    Raises:
        UserError: see :func:`find`; further a file that the model needs and that is missing.
    """
    config, weights = find(model, kind, cachedir, checkpoint)
    path = _cache(cachedir) / "configs" / f"{_digest(str(config.absolute()))}.yaml"
    write_yaml(path, settled(config))
    return ModelFiles(path, weights)


def settled(config: Path) -> dict[str, Any]:
    """Return a configuration with every path absolute, that of OWSM as one of the ASR task.

    Raises:
        UserError: a file that the model needs is missing, or an S2T model of another kind.
    """
    try:
        return as_asr_config(with_absolute_paths(read_yaml(config), config))
    except UserError as e:
        raise e if str(config) in str(e) else UserError(f"{config}: {e}") from e


def pair(
    name: str, config: Optional[PathLike], model: Optional[PathLike]
) -> Optional[tuple[PathLike, PathLike]]:
    """Return the two files of a model, None where neither is given.

    Raises:
        UserError: one without the other, or a missing file.
    """
    if config is None and model is None:
        return None
    if config is None or model is None:
        raise UserError(f"the {name} model takes both: a train_config and a model file")
    for path in (config, model):
        if not Path(path).is_file():
            raise UserError(f"{path}: no such file (of the {name} model)")
    return config, model


def inference_files(
    model: Optional[str] = None,
    asr_model: Optional[str] = None,
    enh_model: Optional[str] = None,
    cachedir: Optional[PathLike] = None,
) -> dict[str, Any]:
    """Fetch models and return their files, by the names that ``EnhSpeech2Text`` gives them.

    Args:
        model: a joint model: zoo tag, Hugging Face id, URL, archive or folder.
        asr_model: an ASR model, in the same forms.
        enh_model: an SE model, in the same forms.
        cachedir: folder for downloaded and unpacked files.

    Raises:
        UserError: a model that cannot be found.
    """
    files: dict[str, Path] = {}
    for kind, name in (("enh_asr", model), ("asr", asr_model), ("enh", enh_model)):
        if name is not None:
            found = locate(name, kind, cachedir)
            files[f"{kind}_train_config"] = found.config
            files[f"{kind}_model_file"] = found.checkpoint
    return files


def find(
    model: Model, kind: str, cachedir: Optional[PathLike] = None, checkpoint: Optional[str] = None
) -> ModelFiles:
    """Return the files of a model, which is downloaded and unpacked if needed.

    Args:
        model: a folder (of an experiment, or an unpacked archive); an archive made by
            ``espnet2.bin.pack``; a pair of configuration and checkpoint, or both in one string with
            a comma between; a checkpoint with ``config.yaml`` beside it; a URL of an archive, with
            ``#sha256=<digest>`` if it is to be verified; a tag of espnet_model_zoo; an id of
            Hugging Face, with ``@revision`` if it is not to be the newest; as an ASR model
            :data:`.whisper_name.FORM`, or the path of a checkpoint of Whisper that ends in ``.pt``.
        kind: ``asr``, ``enh`` or ``enh_asr``.
        cachedir: where downloads and unpacked archives are kept; None: ``espnet_cbpc`` in the
            user's cache folder (``$XDG_CACHE_HOME``, else ``~/.cache``).
        checkpoint: file name of the checkpoint to take of an experiment folder, if it exists.

    Raises:
        UserError: no such model, no network, an archive that is broken or unsafe or holds another
            kind of model.
    """
    if isinstance(model, tuple):
        config, weights = map(Path, model)
    else:
        config, weights = _find(str(model), kind, _cache(cachedir), checkpoint)
    for path in (config, weights):
        if not path.is_file():
            raise UserError(f"{path}: no such file: {FORMS}")
    _check_kind(read_yaml(config), kind, config)
    return ModelFiles(config, weights)


def _cache(cachedir: Optional[PathLike]) -> Path:
    return Path(cachedir or default_cachedir()).expanduser().absolute()


def default_cachedir() -> Path:
    """Return where models are kept unless the user says otherwise."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "espnet_cbpc"


def _check_kind(options: dict[str, Any], kind: str, config: Path) -> None:
    found = model_kind(options)
    if found != kind:
        hint = " (the export command packs its parts)" if found == "enh_asr" else ""
        raise UserError(
            f"{config}: configures {KINDS[found]} model{hint}, where an {KINDS[kind]} model is needed"
        )


def _find(model: str, kind: str, cache: Path, checkpoint: Optional[str]) -> tuple[Path, Path]:
    whisper = WhisperName.of(model)
    if whisper is not None:
        return _in_folder(_whisper(whisper, cache), kind, None)
    path = Path(model).expanduser()
    if path.is_dir():
        return _in_folder(path, kind, checkpoint)
    if path.is_file():
        if path.suffix == ".pth":
            return path.with_name("config.yaml"), path
        return _in_package(_unpacked(path, cache), kind)
    if "," in model:
        config, _, weights = model.partition(",")
        return Path(config), Path(weights)
    if re.match(r"https?://", model):
        return _in_package(_fetched(model, cache), kind)
    if model.startswith((".", "/", "~")) or model.lower().endswith(ARCHIVE_SUFFIXES):
        raise UserError(f"{model}: no such file or folder: {FORMS}")
    url = _zoo_url(model, cache)
    if url is not None:
        return _in_package(_fetched(url, cache), kind)
    if re.fullmatch(r"[\w.-]+/[\w.-]+(@\S+)?", model):
        return _in_package(_hugging_face(model, cache), kind)
    raise UserError(f"{model}: no such model: {FORMS}")


def _in_folder(folder: Path, kind: str, checkpoint: Optional[str]) -> tuple[Path, Path]:
    if (folder / "meta.yaml").is_file():
        return _in_package(folder, kind)
    config = folder / "config.yaml"
    if not config.is_file():
        raise UserError(f"{folder}: holds neither config.yaml nor meta.yaml: {FORMS}")
    if checkpoint and (folder / checkpoint).is_file():
        return config, folder / checkpoint
    for pattern in CHECKPOINTS:
        found = sorted(p for p in folder.glob(pattern) if p.name != "checkpoint.pth")
        if len(found) == 1:
            return config, found[0]
        if found:
            raise UserError(
                f"{folder}: {len(found)} checkpoints to choose from "
                f"({listed(p.name for p in found)}): give the path of one of them"
            )
    raise UserError(f"{folder}: holds no checkpoint (*.pth): train the model first")


def _in_package(folder: Path, kind: str) -> tuple[Path, Path]:
    """Return the files that the meta.yaml of an unpacked archive names."""
    found = [p for p in (folder / "meta.yaml", *sorted(folder.glob("*/meta.yaml"))) if p.is_file()]
    if not found:
        raise UserError(f"{folder}: no meta.yaml in it, so this was not made by espnet2.bin.pack")
    meta = read_yaml(found[0])
    names = {**(meta.get("yaml_files") or {}), **(meta.get("files") or {})}
    for keys in PACKED_AS[kind]:
        if all(key in names for key in keys):
            # beside the whole, or below the one folder that GitHub and macOS put on top
            for top in (folder, found[0].parent):
                config, weights = (_inside(top, names[key], found[0]) for key in keys)
                if config.is_file():
                    break
            return config, weights
    raise UserError(
        f"{found[0]}: an archive of another task, with {listed(sorted(names)) or 'nothing'}: an "
        f"{KINDS[kind]} model has {' and '.join(PACKED_AS[kind][0])}"
    )


def _inside(folder: Path, name: str, meta: Path) -> Path:
    # By name, not resolved: in Hugging Face's cache files are links to where their contents are.
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise UserError(f"{meta}: names {name}, outside of its folder: do not use this archive")
    return folder / name


def _unpacked(archive: Path, cache: Path) -> Path:
    """Unpack an archive, once for each content."""
    folder = cache / f"{archive.stem}-{file_digest(archive)[:16]}"
    with _locked(cache):
        if not folder.is_dir():
            unpack(archive, folder, f"get it again; {FORMS}")
    return folder


def _fetched(url: str, cache: Path) -> Path:
    """Download and unpack an archive, once for each address."""
    address, _, digest = url.partition("#sha256=")
    name = re.sub(r"[^\w.-]", "_", address.partition("?")[0].rsplit("/", 1)[-1]) or "model"
    folder = cache / f"{name}-{_digest(url)}"
    with _locked(cache):
        if not folder.is_dir():
            archive = folder.with_name(f"{folder.name}.archive")
            download(address, archive, digest or None)
            try:
                unpack(archive, folder, "run again, or get it from another source")
            finally:
                archive.unlink()  # a broken one must not be taken for whole the next time
    return folder


def _zoo_url(tag: str, cache: Path) -> Optional[str]:
    """Return the address that espnet_model_zoo's table has for a tag, None if it has none."""
    from espnet_model_zoo.downloader import ModelDownloader  # slow to import

    urls = [u for u in ModelDownloader(cache).query("url", name=tag) if "huggingface.co" not in u]
    return urls[-1] if urls else None


def _hugging_face(model: str, cache: Path) -> Path:
    from huggingface_hub import snapshot_download  # slow to import
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    name, _, revision = model.partition("@")
    try:
        return Path(
            snapshot_download(
                name, revision=revision or None, cache_dir=cache, library_name="espnet"
            )
        )
    except LocalEntryNotFoundError as e:
        raise UserError(
            f"{model}: Hugging Face cannot be reached, and {cache} does not hold this model: check "
            "the network (or HF_HUB_OFFLINE), or download it elsewhere and give its folder"
        ) from e
    except (HfHubHTTPError, ValueError, OSError) as e:
        raise UserError(
            f"{model}: cannot be fetched from Hugging Face ({str(e).splitlines()[0]}): {FORMS}"
        ) from e


def _whisper(name: WhisperName, cache: Path) -> Path:
    """Return the folder of a Whisper model as ESPnet has it, made once for each content."""
    folder = cache / name.folder
    with _locked(cache):
        if not folder.is_dir():
            # slow to import
            from espnet_cbpc.model_zoo.whisper_checkpoint import write_whisper

            with whole_directory(folder, is_data_directory=False) as made:
                write_whisper(name, made)
    return folder


def _locked(cache: Path) -> FileLock:
    cache.mkdir(parents=True, exist_ok=True)
    return FileLock(cache / ".lock")  # several jobs may ask for one model at a time


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
