# SPDX-License-Identifier: Apache-2.0
"""What the scoring tests share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # which pytest's importlib mode does not
