"""The one room for what ESPnet, PyTorch and typeguard do not promise to keep.

A private name, a patched function, a layout that differs between releases: each piece is a module
here, and says in ``PROVEN_ON`` on which releases of ESPnet the tests ran it. The rest of the package
uses public names alone (``test/espnet_cbpc/compat/test_room.py`` checks both).
"""
