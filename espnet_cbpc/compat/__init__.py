# SPDX-License-Identifier: Apache-2.0
"""The one place for code that relies on unstable parts of ESPnet, PyTorch and typeguard.

A private name, a patched function, a layout that differs between releases: each is a module here,
whose ``PROVEN_ON`` lists the releases of ESPnet on which it was tested. The rest of the package
uses only public names (``test/espnet_cbpc/compat/test_room.py`` checks both).
"""
