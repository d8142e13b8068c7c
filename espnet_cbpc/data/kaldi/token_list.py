# SPDX-License-Identifier: Apache-2.0
"""The token list of a training text: characters, words, or sentencepiece units."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Optional, Union

from espnet_cbpc.data.kaldi.kaldi_dir import read_table
from espnet_cbpc.data.kaldi.text_rules import tidied
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import atomic_write

BLANK, UNKNOWN, SOS_EOS, SPACE = "<blank>", "<unk>", "<sos/eos>", "<space>"
RESERVED = (BLANK, UNKNOWN, SOS_EOS)
BPE_MODES = ("unigram", "bpe")


def make_token_list(
    text: Union[str, Path],
    token_type: str,
    nbpe: int,
    output_dir: Union[str, Path],
    bpemode: str = "unigram",
) -> list[str]:
    """Write ``tokens.txt`` (and ``bpe.model`` for bpe) and return the tokens.

    The order is ESPnet's: blank, unknown, tokens (the most frequent first; as the bpe model has
    them), sos/eos. Where the text itself holds one of those three, it is not counted again.

    Args:
        text: a Kaldi text file.
        token_type: ``char``, ``word`` or ``bpe``.
        nbpe: number of sentencepiece units, for bpe.
        output_dir: where to write.
        bpemode: sentencepiece's model type, for bpe: one of ``BPE_MODES``.

    Raises:
        UserError: the text is too small for ``nbpe`` units, or ``token_type`` is unknown.
    """
    lines = [tidied(line) for line in read_table(text).values()]
    if token_type == "bpe":
        tokens = train_bpe(lines, nbpe, bpemode, Path(output_dir) / "bpe.model")
    elif token_type in ("char", "word"):
        count = Counter(t for line in lines for t in split(line, token_type))
        tokens = [t for t, _ in sorted(count.items(), key=lambda item: (-item[1], item[0]))]
    else:
        raise UserError(f"--token_type must be char, word or bpe, but is {token_type}")
    tokens = [BLANK, UNKNOWN, *(t for t in tokens if t not in RESERVED), SOS_EOS]
    with atomic_write(Path(output_dir) / "tokens.txt") as f:
        f.writelines(f"{t}\n" for t in tokens)
    return tokens


def split(line: str, token_type: str) -> list[str]:
    """Return the words of a line, or its characters with ``<space>`` for a blank."""
    if token_type == "word":
        return line.split()
    return [SPACE if c == " " else c for c in line]


def tokenised(
    texts: Mapping[str, str], token_type: str, bpemodel: Optional[str] = None
) -> dict[str, list[str]]:
    """Return the tokens of each transcript, as ESPnet makes them for training.

    Args:
        texts: transcript by utterance.
        token_type: ``char``, ``word`` or ``bpe``.
        bpemodel: the sentencepiece model, for bpe.
    """
    if token_type != "bpe":
        return {key: split(tidied(text), token_type) for key, text in texts.items()}
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(str(bpemodel))
    return {key: model.encode(tidied(text), out_type=str) for key, text in texts.items()}


def train_bpe(lines: list[str], nbpe: int, bpemode: str, model: Path) -> list[str]:
    """Train a sentencepiece model, write it to ``model``, and return its pieces."""
    import io

    import sentencepiece

    blob = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=blob,
            vocab_size=nbpe,
            model_type=bpemode,
            character_coverage=1.0,
            minloglevel=2,
        )
    except RuntimeError as e:
        raise UserError(
            f"cannot make {nbpe} bpe units of {len(lines)} lines of text; "
            f"choose another --nbpe ({str(e).strip().splitlines()[-1]})"
        ) from e
    with atomic_write(model, "wb") as f:
        f.write(blob.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=blob.getvalue())
    pieces = (processor.id_to_piece(i) for i in range(processor.get_piece_size()))
    return [p for p in pieces if p not in ("<s>", "</s>")]
