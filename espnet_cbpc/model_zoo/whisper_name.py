# SPDX-License-Identifier: Apache-2.0
"""How to name a Whisper model as an ASR model."""

import re
from pathlib import Path
from typing import NamedTuple, Optional

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import file_digest

PREFIX = "whisper:"
TASKS = ("transcribe", "translate")
FORM = "whisper:NAME[:LANGUAGE[:TASK]], where NAME may be the path of a checkpoint"


class WhisperName(NamedTuple):
    """What a model is named by: a name or a path, the language spoken, and the task."""

    model: str
    language: Optional[str] = None
    task: Optional[str] = None

    @classmethod
    def of(cls, text: str) -> Optional["WhisperName"]:
        """Read :data:`FORM`, or the path of a ``.pt`` file; None: something else.

        Raises:
            UserError: more parts than there are, or no such task.
        """
        if not text.startswith(PREFIX):
            is_checkpoint = text.endswith(".pt") and Path(text).expanduser().is_file()
            return cls(text) if is_checkpoint else None
        name = text[len(PREFIX) :]
        parts = [name] if Path(name).expanduser().is_file() else name.split(":")
        if len(parts) > 3 or not all(parts):
            raise UserError(f"{text}: must be {FORM}")
        if len(parts) == 3 and parts[2] not in TASKS:
            raise UserError(f"{text}: unknown task {parts[2]!r}: use {' or '.join(TASKS)}")
        return cls(*parts)

    @property
    def path(self) -> Optional[Path]:
        """The checkpoint's path; None where it has a name."""
        path = Path(self.model).expanduser()
        return path if path.is_file() else None

    @property
    def label(self) -> str:
        """A name for files, another one for each model, language and task."""
        stem = self.model if self.path is None else self.path.stem
        parts = "-".join(filter(None, ("whisper", stem, self.language, self.task)))
        return re.sub(r"[^\w.-]", "_", parts)

    @property
    def folder(self) -> str:
        """A name for its folder, another one for each content too."""
        return self.label if self.path is None else f"{self.label}-{file_digest(self.path)[:16]}"
