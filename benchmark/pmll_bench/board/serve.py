"""Serve the folder of a board to browsers on this machine: GET and HEAD, files of the folder alone."""

from __future__ import annotations

import logging
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import ConfigError
from .site.write import require_board

HOST = "127.0.0.1"

log = logging.getLogger(__name__)


def server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server for the board in `folder`, bound to loopback; 0 picks a free port.

    Call `serve_forever` to answer requests, and `server_close` at the end. Raises `ConfigError` if the folder holds no
    board, or the port is taken.
    """
    require_board(folder)
    try:
        return ThreadingHTTPServer((HOST, port), partial(_Handler, directory=str(folder.resolve())))
    except OSError as error:
        hint = "leave --port out, and a free one is taken"
        raise ConfigError(f"port {port} cannot be used: {error.strerror}", hint=hint) from error


def address(of: ThreadingHTTPServer) -> str:
    """The address to open in a browser."""
    return f"http://{HOST}:{of.server_port}/"


class _Handler(SimpleHTTPRequestHandler):
    """Files below the folder; no lists of folders, and no file that a link leads to elsewhere."""

    def send_head(self) -> Any:
        root, asked = Path(self.directory).resolve(), Path(self.translate_path(self.path)).resolve()
        if asked != root and root not in asked.parents:
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def list_directory(self, path: Any) -> BinaryIO | None:  # type: ignore[override]  # it never answers with a list
        self.send_error(HTTPStatus.NOT_FOUND)
        return None

    def log_message(self, format: str, *values: Any) -> None:
        log.info(format, *values)
