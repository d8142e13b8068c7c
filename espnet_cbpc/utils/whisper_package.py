# SPDX-License-Identifier: Apache-2.0
"""The package ``openai-whisper``, which is an extra."""

from types import ModuleType

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.extras import needs_extra


def whisper_package() -> ModuleType:
    """Return the module ``whisper``.

    Raises:
        UserError: ``openai-whisper`` is not installed, or too old.
    """
    with needs_extra("Whisper", "whisper"):
        import whisper.decoding  # slow to import
        import whisper.normalizers
        import whisper.tokenizer
    if not hasattr(whisper.tokenizer, "get_encoding"):
        raise UserError("openai-whisper is too old: pip install -U 'espnet-cbpc[whisper]'")
    return whisper
