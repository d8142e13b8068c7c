# SPDX-License-Identifier: Apache-2.0
"""Upload an exported model to Hugging Face Hub."""

import shutil
import tempfile
from pathlib import Path
from typing import Optional

from espnet_cbpc.model_zoo.exporting import ARCHIVES
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.download import unpack
from espnet_cbpc.utils.files import PathLike


def upload(
    packed: PathLike,
    repo: str,
    private: bool = False,
    token: Optional[str] = None,
    part: Optional[str] = None,
) -> str:
    """Upload the files of the joint model (else of the ASR model), the archives and the model card.

    The hub is the one that huggingface_hub is configured for (``HF_ENDPOINT``).
    ``Speech2Text.from_pretrained(repo, enh_s2t_task=True)`` of stock ESPnet loads the upload;
    of a part alone ``espnet.load(repo)`` does (ESPnet 202611).

    Args:
        packed: folder that the export has made.
        repo: ``user/name``; created if it does not exist.
        private: whether it is made visible to its owner only.
        token: with the right to write; None: as huggingface_hub finds it (``HF_TOKEN``).
        part: ``asr`` or ``enh``: that model alone, with its own card; None: all.

    Returns:
        The address of what was uploaded.

    Raises:
        UserError: nothing to upload, or the hub refuses.
    """
    from huggingface_hub import HfApi  # slow to import
    from huggingface_hub.errors import HfHubHTTPError

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "repository")
        gather(Path(packed), folder, part)
        api = HfApi(token=token, library_name="espnet-cbpc")
        try:
            api.create_repo(repo, private=private, exist_ok=True)
            done = api.upload_folder(
                repo_id=repo, folder_path=folder, commit_message="Model exported by espnet-cbpc"
            )
        except (HfHubHTTPError, ValueError, OSError) as e:
            raise UserError(
                f"{repo}: cannot be uploaded ({str(e).strip().splitlines()[0]}): check the name, the "
                "network, and that HF_TOKEN holds a token with write access"
            ) from e
    return str(getattr(done, "commit_url", done))


def gather(packed: Path, folder: Path, part: Optional[str] = None) -> None:
    """Lay out the repository in a new folder, of all archives or of a ``part``.

    Raises:
        UserError: the folder holds no export.
    """
    names = [f"{name}.zip" for name in ([part] if part else ARCHIVES)]
    archives = [packed / name for name in names if (packed / name).is_file()]
    card = [] if part else [packed / "README.md"]  # that of a part is in its archive
    if not archives or not all(file.is_file() for file in card):
        raise UserError(
            f"{packed}: holds no export ({', '.join(names)} and README.md): make one with "
            "espnet_cbpc.bin.export"
        )
    unpack(archives[0], folder)
    for file in (*archives, *card):
        shutil.copy(file, folder)
