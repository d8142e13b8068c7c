# SPDX-License-Identifier: Apache-2.0
"""The folder of a new recipe, from the template and presets that the package holds."""

import shutil
import sys
import tempfile
from pathlib import Path

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import PathLike

TEMPLATE = Path(__file__).with_name("template")  # in the repository a link to egs2/TEMPLATE
FILES = ("run.sh", "compare.sh", "enh_asr_cbpc.sh", "path.sh", "cmd.sh", "db.sh", "README.md")
FOLDERS = ("conf", "local")
PYTHON = "local/python"  # names the Python of the environment, for path.sh


def make_recipe(folder: PathLike) -> Path:
    """Make a recipe, which needs nothing but the environment that this package is installed in.

    Args:
        folder: to be made, atomically.

    Returns:
        Its absolute path.

    Raises:
        UserError: the folder exists, or cannot be written.
    """
    recipe = Path(folder).absolute()
    if recipe.exists() or recipe.is_symlink():
        raise UserError(f"{recipe} already exists: give another folder, or remove it first")
    try:
        recipe.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new.", dir=recipe.parent) as temporary:
            made = Path(temporary) / "recipe"
            _copy_template(made)
            (made / PYTHON).write_text(f"{sys.executable}\n", encoding="utf-8")
            made.rename(recipe)
    except OSError as e:
        raise UserError(f"{recipe}: cannot be created ({e.strerror}): choose another place") from e
    return recipe


def _copy_template(made: Path) -> None:
    made.mkdir()
    for name in FILES:
        shutil.copyfile(TEMPLATE / name, made / name)
    for name in FOLDERS:
        shutil.copytree(TEMPLATE / name, made / name, copy_function=shutil.copyfile)
    for script in made.rglob("*.sh"):  # an installed package does not keep who may run them
        if script.read_text(encoding="utf-8").startswith("#!"):
            script.chmod(0o755)
