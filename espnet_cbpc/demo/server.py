# SPDX-License-Identifier: Apache-2.0
"""The server of the page: local by default, stores nothing, fetches nothing from elsewhere."""

import logging
import os
import signal
import socket
import tempfile
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Callable

from espnet_cbpc.utils.cli import UserError
from espnet_cbpc.utils.extras import check_extra

if TYPE_CHECKING:
    from gradio import Blocks

# The browser refuses whatever else the page asks for, such as fonts of a content delivery network.
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
HERE = ("127.0.0.1", "localhost", "::1")


def check_address(host: str, port: int) -> None:
    """Raise ``UserError`` where nothing can listen at an address, before models are loaded."""
    if not 0 < port < 2**16:
        raise UserError(f"--port {port}: must be from 1 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
    except OSError as e:
        raise UserError(
            f"{host}:{port}: cannot listen ({e.strerror or e}): choose another --port or --host"
        ) from e


@contextmanager
def gradio_without_traces() -> Iterator[None]:
    """Import Gradio so that it reports to nobody and keeps no files, in memory or in the browser.

    What it is given is in a temporary folder, which is removed at the end of the block; a signal to
    terminate ends the block like Ctrl-C.

    Raises:
        UserError: Gradio, or what else the page needs, is not installed, or too old.
    """
    check_extra("the demo", "demo")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="espnet_cbpc_demo.") as folder:
        os.environ.update(  # which Gradio reads when it is imported
            GRADIO_TEMP_DIR=folder, GRADIO_ANALYTICS_ENABLED="False", GRADIO_RUN_HISTORY="False"
        )
        gradio = import_module("gradio")
        if int(gradio.__version__.partition(".")[0]) < 6:
            raise UserError("gradio is too old: pip install -U 'espnet-cbpc[demo]'")
        yield


def serve(page: "Blocks", host: str, port: int, max_megabytes: float) -> None:
    """Serve a page until the process is interrupted.

    Args:
        page: with its queue.
        host: address to listen on.
        port: to listen on.
        max_megabytes: of a file that is uploaded.
    """
    from starlette.middleware import Middleware

    from espnet_cbpc.demo.page import STYLE, theme

    page.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        share=False,
        quiet=True,
        max_file_size=round(2**20 * max_megabytes),
        state_session_capacity=20,  # each holds a recording
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        footer_links=[],
        theme=theme(),
        css_paths=STYLE,
        app_kwargs={"middleware": [Middleware(WithPolicy)]},
    )
    if host not in HERE:
        logging.warning("listening on %s: anyone who can reach this machine can use the page", host)
    print(f"http://{host}:{port} (press Ctrl-C to stop)", flush=True)
    try:
        page.block_thread()
    except KeyboardInterrupt:  # of this package's or Gradio's making
        page.close()


class WithPolicy:
    """ASGI middleware: tells the browser to fetch nothing from elsewhere.

    Args:
        app: the application.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]):
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        """Pass a request on, and add the policy to the answer's headers."""

        async def send_with_policy(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"content-security-policy", POLICY.encode()))
            await send(message)

        await self.app(scope, receive, send_with_policy)
