# SPDX-License-Identifier: Apache-2.0
"""Try a model on a web page, see :mod:`espnet_cbpc.demo.main`."""

from espnet_cbpc.demo.main import get_parser, main
from espnet_cbpc.utils.cli import run

__all__ = ["get_parser", "main"]

if __name__ == "__main__":
    run(main)
