"""The package ``openai-whisper``, which is an extra."""

from types import ModuleType

from espnet_cbpc.utils.cli import UserError


def whisper_package() -> ModuleType:
    """Return the module ``whisper``.

    Raises:
        UserError: ``openai-whisper`` is not installed, or too old.
    """
    try:
        import whisper.decoding  # slow to import, and an extra
        import whisper.normalizers
        import whisper.tokenizer
    except ImportError as e:  # also where another package has the name
        raise UserError(
            f"Whisper needs the package openai-whisper ({e}): pip install 'espnet-cbpc[whisper]'"
        ) from e
    if not hasattr(whisper.tokenizer, "get_encoding"):
        raise UserError("openai-whisper is too old: pip install -U 'espnet-cbpc[whisper]'")
    return whisper
