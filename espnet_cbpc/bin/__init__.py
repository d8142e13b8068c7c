# SPDX-License-Identifier: Apache-2.0
"""The commands."""

from espnet_cbpc.compat import lazy_modules, lazy_typechecks

# before a command imports ESPnet: it then starts in less than half the time
lazy_modules.install()
lazy_typechecks.install()
