"""A server on loopback that has some files and notes what it was asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Files:
    """What a server has, by path, and the requests it got, such as "GET /glove.zip"."""

    url: str
    content: Mapping[str, bytes]
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving(content: Mapping[str, bytes]) -> Iterator[Files]:
    """A server that answers HEAD and GET; anything it doesn't have is 404. It stops at the end."""
    files = Files("", content)

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            files.asked.append(f"{self.command} {self.path}")
            found = files.content.get(self.path)
            if found is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            if body:
                self.wfile.write(found)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        files.url = f"http://127.0.0.1:{http.server_port}"
        try:
            yield files
        finally:
            http.shutdown()
            thread.join()
