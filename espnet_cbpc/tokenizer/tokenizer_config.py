# SPDX-License-Identifier: Apache-2.0
"""The options of fitting a tokenizer, read from a YAML file."""

import inspect
from typing import Any, Optional

from espnet_cbpc.tokenizer.kmeans import KMeansTokenizer
from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.files import PathLike, read_yaml


def read_tokenizer_config(path: Optional[PathLike]) -> tuple[Optional[int], dict[str, Any]]:
    """Return the encoder layer to cluster, and the options of :meth:`KMeansTokenizer.fit`.

    Args:
        path: the file; None gives every default.

    Raises:
        UserError: no such file, not YAML, or an unknown option.
    """
    options = {} if path is None else read_yaml(path)
    known = ["layer", *list(inspect.signature(KMeansTokenizer.fit).parameters)[1:]]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise UserError(
            f"{path}: unknown option(s) {', '.join(unknown)}: use {', '.join(sorted(known))}"
        )
    return options.pop("layer", None), options
