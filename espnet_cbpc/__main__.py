# SPDX-License-Identifier: Apache-2.0
"""``python -m espnet_cbpc``, which is the command ``espnet-cbpc``."""

from espnet_cbpc.cli import main

main()
