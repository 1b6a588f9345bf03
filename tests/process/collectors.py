"""What others run who look after servers: a Sentry, and a collector of traces; they keep what they are told."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_WAIT_S = 30


class Collector:
    """Takes every POST."""

    def __init__(self) -> None:
        self._told = threading.Condition()
        self.bodies: list[tuple[str, bytes]] = []
        """Path and body of each."""
        collector = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                with collector._told:
                    collector.bodies.append((self.path, body))
                    collector._told.notify_all()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.port = self.server.server_address[1]

    def wait(self, enough: Any) -> None:
        """Until `enough()`; asked again whenever something has come."""
        with self._told:
            assert self._told.wait_for(enough, _WAIT_S), self.bodies

    def events(self) -> list[dict[str, Any]]:
        """Sentry's events, out of their envelopes."""
        found = []
        for _, body in self.bodies:
            lines = body.split(b"\n")
            for header, payload in zip(lines[1::2], lines[2::2], strict=False):
                if header and json.loads(header).get("type") == "event":
                    found.append(json.loads(payload))
        return found


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens."""
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.server.shutdown()
        collector.server.server_close()
        thread.join()
