# SPDX-License-Identifier: Apache-2.0
"""Which release of ESPnet is installed, and how its encoders count frames."""

from importlib.metadata import version

from espnet_cbpc.utils.cli import UserError

PROVEN_ON = ("202511", "202611")


def espnet_release() -> str:
    """Return the release of ESPnet that is installed, such as ``"202611"``."""
    return version("espnet")


def has_ctc_window() -> bool:
    """Return whether the search can look at a window of the CTC scores, by default at one of 100."""
    return espnet_release() >= "202611"


def frame_counting() -> str:
    """Return a name for the way in which encoders count and mask frames; empty up to 202511.

    From 202611 on an utterance's length after subsampling does not depend on the others in its
    batch. Labels, tokenizers and statistics that were made with one way do not fit the other to
    the frame. The empty name keeps what was made before there were two.
    """
    return "202611" if espnet_release() >= "202611" else ""


def check_frame_counting(made_with: str, what: str, remedy: str) -> None:
    """Stop where frames that were counted in another way would be taken for this release's.

    Args:
        made_with: what :func:`frame_counting` returned where they were made.
        what: they are, for the message.
        remedy: what is to be done.

    Raises:
        UserError: they do not fit.
    """
    if made_with != frame_counting():
        raise UserError(
            f"{what}: made with ESPnet {made_with or 'before 202611'}, but this is "
            f"{espnet_release()}, whose encoders count frames differently: {remedy}"
        )
