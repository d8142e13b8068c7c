"""Put an exported model on Hugging Face Hub."""

import shutil
import tempfile
from pathlib import Path
from typing import Optional, Union

from espnet_cbpc.data.download import unpack
from espnet_cbpc.model_zoo.export import ARCHIVES
from espnet_cbpc.utils.cli import UserError


def upload(
    packed: Union[str, Path],
    repo: str,
    private: bool = False,
    token: Optional[str] = None,
) -> str:
    """Upload the files of the joint model (else of the ASR model), the archives and the model card.

    The hub is the one that huggingface_hub is configured for (``HF_ENDPOINT``).
    ``Speech2Text.from_pretrained(repo, enh_s2t_task=True)`` of stock ESPnet loads what is there.

    Args:
        packed: folder that the export has made.
        repo: ``user/name``; made if it is not there.
        private: whether it is made visible to its owner only.
        token: with the right to write; None: as huggingface_hub finds it (``HF_TOKEN``).

    Returns:
        The address of what was uploaded.

    Raises:
        UserError: nothing to upload, or the hub refuses.
    """
    from huggingface_hub import HfApi  # slow to import
    from huggingface_hub.errors import HfHubHTTPError

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "repository")
        gather(Path(packed), folder)
        api = HfApi(token=token, library_name="espnet-cbpc")
        try:
            api.create_repo(repo, private=private, exist_ok=True)
            done = api.upload_folder(
                repo_id=repo, folder_path=folder, commit_message="Model exported by espnet-cbpc"
            )
        except (HfHubHTTPError, ValueError, OSError) as e:
            raise UserError(
                f"{repo}: cannot be uploaded ({str(e).strip().splitlines()[0]}): check the name, the "
                "network, and that HF_TOKEN holds a token with the right to write"
            ) from e
    return str(getattr(done, "commit_url", done))


def gather(packed: Path, folder: Path) -> None:
    """Lay out the repository in a new folder.

    Raises:
        UserError: the folder holds no export.
    """
    archives = [packed / f"{n}.zip" for n in ARCHIVES if (packed / f"{n}.zip").is_file()]
    card = packed / "README.md"
    if not archives or not card.is_file():
        raise UserError(f"{packed}: holds no export (archives and README.md): run stage 17 first")
    unpack(archives[0], folder)
    for file in (*archives, card):
        shutil.copy(file, folder)
