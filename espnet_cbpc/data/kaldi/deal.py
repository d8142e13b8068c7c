# SPDX-License-Identifier: Apache-2.0
"""Split a table (such as wav.scp) into files, one per job."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Optional, Union

import numpy as np

from espnet_cbpc.data.kaldi.kaldi_dir import read_table, write_table
from espnet_cbpc.utils.cli import UserError


def deal_table(
    table: Union[str, Path],
    parts: Sequence[Union[str, Path]],
    utt2category: Optional[Union[str, Path]] = None,
    categories: Collection[str] = (),
) -> None:
    """Split the lines of a table into files, in order.

    Args:
        table: file to split.
        parts: files to write.
        utt2category: file with each utterance's category.
        categories: keep these only; none: all.

    Raises:
        UserError: fewer utterances than parts.
    """
    lines = read_table(table)
    ids = list(lines)
    if categories:
        assert utt2category is not None
        category = read_table(utt2category)
        ids = [u for u in ids if category.get(u) in categories]
    if len(ids) < len(parts):
        raise UserError(
            f"{table}: {len(ids)} utterances"
            + (f" of category {' or '.join(categories)}" if categories else "")
            + f" cannot be split into {len(parts)} jobs: add data, or use fewer jobs"
        )
    for part, share in zip(parts, np.array_split(ids, len(parts))):
        write_table(part, {str(u): lines[u] for u in share})
