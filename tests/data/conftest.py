"""A cache of its own for every test, and a small web server with the faults of real ones."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("DENSELAB_CACHE", str(cache))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("DENSELAB_CIFAR10_URL", raising=False)
    return cache


class Server:
    """Serves `content` on 127.0.0.1; `cuts` are the bytes after which answers break off."""

    def __init__(self) -> None:
        self.content = bytes(range(256)) * 4096
        self.ranges = True
        self.announces = True
        self.ignores_start = False
        self.cuts: list[int] = []
        self.status: int | None = None
        self.location = ""
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        self.asked.append((handler.path, wanted))
        if self.status is not None:
            handler.send_response(self.status)
            handler.send_header("Location", self.location)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        whole = len(self.content)
        if not self.ranges:
            start = 0
        if start >= whole:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{whole}")
            handler.end_headers()
            return
        handler.send_response(206 if start else 200)
        if start:
            first = 0 if self.ignores_start else start
            handler.send_header("Content-Range", f"bytes {first}-{whole - 1}/{whole}")
        if self.announces:
            handler.send_header("Content-Length", str(whole - start))
        handler.end_headers()
        end = start + self.cuts.pop(0) if self.cuts else whole
        handler.wfile.write(self.content[start:end])


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server()
    thread = threading.Thread(target=served.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.http.shutdown()
    served.http.server_close()
    thread.join()
