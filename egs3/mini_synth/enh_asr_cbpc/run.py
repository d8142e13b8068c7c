#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stages of ESPnet3, run in this folder: see README.md."""

import os
from pathlib import Path

from espnet3.systems.base.system import BaseSystem
from espnet3.systems.launch import launch

if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parent)
    launch(BaseSystem, conf_package="egs3.TEMPLATE.esp2_asr")
