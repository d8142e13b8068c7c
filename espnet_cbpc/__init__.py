# SPDX-License-Identifier: Apache-2.0
"""ESPnet2 plugin: noise-robust ASR by joint training with a contrastive loss on acoustic tokens."""

__version__ = "0.2.0"
