# SPDX-License-Identifier: Apache-2.0
"""Names of the options that this package adds to ESPnet's joint task."""

PLUGIN_OPTIONS = (
    "tokenizer",
    "tokenizer_conf",
    "tokenizer_init",
    "contrastive_criterions",
    "joint_conf",
    "dynamic_mixing_conf",
    "joint_net_conf",
)
