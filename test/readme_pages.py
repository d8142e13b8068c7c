# SPDX-License-Identifier: Apache-2.0
"""The pages of the repository, for the tests of what they say."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    page
    for pattern in (
        "*.md",
        "conf/*.md",
        "egs[23]/*/*/*.md",
        "espnet_cbpc/*/*.md",
        "tools/*.md",
        "tools/*/*.md",
    )
    for page in ROOT.glob(pattern)
    if not page.is_symlink()
)


def named(page: Path) -> str:
    """Return how a test is named after a page."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of code in a language."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """Return the lines of the shell, without continuation, comments and variables before a command."""
    lines = "".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]
    return [re.sub(r"^(?:\w+=\S+ )+", "", line) for line in lines if line]
