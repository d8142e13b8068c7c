# SPDX-License-Identifier: Apache-2.0
"""Whisper as an ESPnet ASR model, with ESPnet's own classes and the current ``openai-whisper``.

ESPnet's encoder and decoder fetch weights by name whenever they are built, and they and its
tokenizer ask for what ``openai-whisper`` had up to 20230308. Here the sizes are in the
configuration, so that a model is built from that and its checkpoint only.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Optional

import torch
from espnet2.asr.decoder.abs_decoder import AbsDecoder
from espnet2.asr.decoder.whisper_decoder import OpenAIWhisperDecoder
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from espnet2.asr.encoder.whisper_encoder import OpenAIWhisperEncoder
from espnet2.bin import asr_inference
from espnet2.tasks import asr, enh_s2t
from espnet2.text import build_tokenizer
from espnet2.text.abs_tokenizer import AbsTokenizer
from espnet2.train import preprocessor

from espnet_cbpc.compat.option_names import WHISPER_RATE
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.whisper_package import whisper_package

PROVEN_ON = ("202511", "202611")

ENGLISH, MULTILINGUAL = "whisper_en", "whisper_multilingual"  # ESPnet's names of the tokenizers
# Tokens of the models that there are: of English, of 99 languages, and of 100 (large-v3).
VOCABULARIES = {51864: ENGLISH, 51865: MULTILINGUAL, 51866: MULTILINGUAL}


class WhisperEncoder(OpenAIWhisperEncoder):
    """ESPnet's Whisper encoder, of sizes that are given.

    Args:
        input_size: of ESPnet's tasks; the input is samples at 16 kHz.
        dropout_rate: Whisper was trained without.
        do_pad_trim: pad to 30 s, as Whisper was trained; else the encoder takes the batch as it is,
            which costs less. Nothing is trimmed.
        architecture: arguments of ``whisper.model.AudioEncoder``.
        stock: options of ESPnet's class, which builds itself where there is no ``architecture``.
    """

    def __init__(
        self,
        input_size: int = 1,
        dropout_rate: float = 0.0,
        do_pad_trim: bool = False,
        architecture: Optional[Mapping[str, int]] = None,
        **stock: Any,
    ):
        whisper = whisper_package()
        if architecture is None:
            super().__init__(input_size, dropout_rate, do_pad_trim=do_pad_trim, **stock)
            return
        AbsEncoder.__init__(self)
        audio = whisper.audio
        self.n_fft = self.win_length = audio.N_FFT
        self.hop_length, self.pad_samples = audio.HOP_LENGTH, audio.N_SAMPLES
        self.n_mels, self.mel_filters = architecture["n_mels"], audio.mel_filters
        self.dropout = torch.nn.Dropout(dropout_rate)
        self.encoders = whisper.model.AudioEncoder(**architecture)
        self.specaug, self.do_pad_trim = None, do_pad_trim

    def forward(
        self, xs_pad: torch.Tensor, ilens: torch.Tensor, prev_states: Optional[torch.Tensor] = None
    ) -> tuple[torch.Tensor, torch.Tensor, Optional[torch.Tensor]]:
        """Encode (B, N) samples; see ESPnet's class.

        Raises:
            UserError: an utterance longer than Whisper's window; ESPnet would trim it.
        """
        if xs_pad.shape[1] > self.pad_samples:
            raise UserError(
                f"an utterance of {xs_pad.shape[1] / WHISPER_RATE:.1f} s, but Whisper takes "
                f"{self.pad_samples / WHISPER_RATE:.0f} s at a time: leave longer ones out "
                "(--max_wav_duration), or cut them"
            )
        return super().forward(xs_pad, ilens, prev_states)


class WhisperDecoder(OpenAIWhisperDecoder):
    """ESPnet's Whisper decoder, of sizes that are given, with the prompt it is to be used with.

    Args:
        vocab_size, encoder_output_size: of ESPnet's tasks.
        dropout_rate: Whisper was trained without.
        architecture: arguments of ``whisper.model.TextDecoder`` but the vocabulary.
        language: code of the language that is spoken.
        task: ``transcribe``, or ``translate`` into English.
        stock: options of ESPnet's class, which builds itself where there is no ``architecture``.
    """

    def __init__(
        self,
        vocab_size: int,
        encoder_output_size: int,
        dropout_rate: float = 0.0,
        architecture: Optional[Mapping[str, int]] = None,
        language: str = "en",
        task: str = "transcribe",
        **stock: Any,
    ):
        whisper = whisper_package()
        if architecture is None:
            super().__init__(vocab_size, encoder_output_size, dropout_rate, **stock)
        else:
            AbsDecoder.__init__(self)
            self.dropout, self.load_origin_token_embedding = torch.nn.Dropout(dropout_rate), False
            self.decoders = whisper.model.TextDecoder(n_vocab=vocab_size, **architecture)
            torch.nn.init.normal_(self.decoders.positional_embedding, std=0.01)  # unset there
        self.language, self.task = language, task


class WhisperTokenizer(AbsTokenizer):
    """Whisper's tokenizer, whose tokens are written as GPT-2 writes bytes.

    Args:
        model_type: ``whisper_en`` or ``whisper_multilingual``.
        unused: what else ESPnet passes: languages do not differ in their tokens.
    """

    def __init__(self, model_type: str, **unused: Any):
        tokenizer = whisper_package().tokenizer
        name = {ENGLISH: "gpt2", MULTILINGUAL: "multilingual"}[model_type]
        self.encoding = tokenizer.get_encoding(name)
        self._names = token_names(self.encoding)

    def text2tokens(self, line: str) -> list[str]:
        """Return the tokens of a text, which begins with a blank, as Whisper's own texts do."""
        ids = self.encoding.encode(f" {line.strip()}", disallowed_special=())
        return [self._names[i] for i in ids]

    def tokens2text(self, tokens: Iterable[str]) -> str:
        """Return the text of tokens."""
        found = bytes(BYTES[c] for token in tokens for c in token)
        return found.decode("utf-8", errors="replace").strip()


class WhisperTokenIDConverter:
    """Numbers of Whisper's tokens, and the prompt that its decoder begins with.

    Args:
        model_type: ``whisper_en`` or ``whisper_multilingual``.
        language, task: of the prompt, see :class:`WhisperDecoder`.
        n_vocab: number of tokens; None: of the first models of that type.
        unused: what else ESPnet passes.

    Attributes:
        names: of all tokens.
    """

    def __init__(
        self,
        model_type: str,
        language: Optional[str] = "en",
        task: str = "transcribe",
        n_vocab: Optional[int] = None,
        **unused: Any,
    ):
        n_vocab = n_vocab or min(n for n, kind in VOCABULARIES.items() if kind == model_type)
        self.tokenizer = whisper_package().tokenizer.get_tokenizer(
            model_type == MULTILINGUAL,
            num_languages=number_of_languages(n_vocab),
            language=language,
            task=task,
        )
        self.names = token_names(self.tokenizer.encoding)
        self._ids = {name: i for i, name in enumerate(self.names)}

    def get_num_vocabulary_size(self) -> int:
        """Return the number of tokens."""
        return len(self.names)

    def ids2tokens(self, integers: Iterable[int]) -> list[str]:
        """Return the tokens of numbers, without special ones."""
        return [self.names[i] for i in integers if i < self.tokenizer.eot]

    def tokens2ids(self, tokens: Iterable[str]) -> list[int]:
        """Return the numbers of tokens, after the prompt without its first token."""
        prompt = self.tokenizer.sot_sequence_including_notimestamps[1:]
        return [*prompt, *(self._ids[token] for token in tokens)]


def token_names(encoding: Any) -> list[str]:
    """Return the names of all tokens of Whisper, by number.

    Args:
        encoding: of ``whisper.tokenizer.get_encoding``.
    """
    pieces = map(encoding.decode_single_token_bytes, range(encoding.eot_token))
    names = ["".join(CHARACTERS[byte] for byte in piece) for piece in pieces]
    special = range(encoding.eot_token, encoding.n_vocab)
    return names + [encoding.decode([i]) for i in special]


def _characters() -> dict[int, str]:
    """Return GPT-2's character for each byte: itself where that can be seen, else one past 255."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(0x100) if byte not in seen]
    return {**{b: chr(b) for b in seen}, **{b: chr(0x100 + i) for i, b in enumerate(hidden)}}


CHARACTERS = _characters()
BYTES = {character: byte for byte, character in CHARACTERS.items()}


def number_of_languages(n_vocab: int) -> int:
    """Return how many language tokens there are among so many tokens."""
    return n_vocab - 51765 - (VOCABULARIES[n_vocab] == MULTILINGUAL)


def support_whisper() -> None:
    """Let ESPnet's tasks build these classes for ``whisper``; calling it again is harmless."""
    for encoders, decoders in (
        (asr.encoder_choices, asr.decoder_choices),
        (enh_s2t.asr_encoder_choices, enh_s2t.asr_decoder_choices),
    ):
        encoders.classes["whisper"] = WhisperEncoder
        decoders.classes["whisper"] = WhisperDecoder
    for module in (build_tokenizer, preprocessor):
        module.OpenAIWhisperTokenizer = WhisperTokenizer
    for module in (asr_inference, preprocessor):
        module.OpenAIWhisperTokenIDConverter = WhisperTokenIDConverter


def set_prompt(preprocess: Any, token_list: list[str], decoder_conf: Mapping[str, Any]) -> None:
    """Let transcripts that are learnt from begin with the prompt that the decoder was given.

    Args:
        preprocess: ESPnet's preprocessor; one of another tokenizer is left unchanged.
        token_list: of the model.
        decoder_conf: of the model.
    """
    if isinstance(getattr(preprocess, "token_id_converter", None), WhisperTokenIDConverter):
        preprocess.token_id_converter = WhisperTokenIDConverter(
            VOCABULARIES[len(token_list)],
            decoder_conf.get("language", "en"),
            decoder_conf.get("task", "transcribe"),
            len(token_list),
        )
