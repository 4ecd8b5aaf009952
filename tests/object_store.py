"""Servers on the loopback that tests read from and write to: an S3 store, and a web server.

Both keep a log of what they were asked, and let a test answer a request in its own way.
"""

from __future__ import annotations

import contextlib
import http.server
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass
class Asked:
    """One request and the size of its answer."""

    method: str
    path: str
    query: str
    range: str | None
    if_match: str | None
    status: str = ""
    sent: int = 0


class S3:
    """moto's server with one bucket, "data".

    Attributes:
        log: of the requests since it was cleared.
        answer: called with each request; what it returns (status, body) is sent instead.
        options: storage_options for this store.
    """

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Silent(WSGIRequestHandler):
            protocol_version = "HTTP/1.1"

            def log(self, *_: Any) -> None:
                pass

        self._app = DomainDispatcherApplication(create_backend_app)
        self.log: list[Asked] = []
        self.answer: Callable[[Asked], tuple[str, bytes] | None] = lambda asked: None
        self._server = make_server(
            "127.0.0.1", 0, self._respond, threaded=True, request_handler=Silent
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.options: dict[str, Any] = {
            "access_key_id": "AKIDTESTS",
            "secret_access_key": "wholly-secret",
            "endpoint": self.url,
            "region": "us-east-1",
            "retry_config": {"max_retries": 2},
        }
        import boto3

        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id="AKIDTESTS",
            aws_secret_access_key="wholly-secret",
            region_name="us-east-1",
        )
        self.client.create_bucket(Bucket="data")

    def _respond(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        asked = Asked(
            environ["REQUEST_METHOD"],
            environ.get("PATH_INFO", ""),
            environ.get("QUERY_STRING", ""),
            environ.get("HTTP_RANGE"),
            environ.get("HTTP_IF_MATCH"),
        )
        self.log.append(asked)
        own = self.answer(asked)
        if own is not None:
            asked.status = own[0]
            start(
                own[0], [("Content-Type", "application/xml"), ("Content-Length", str(len(own[1])))]
            )
            return [own[1]]

        def begin(status: str, headers: Any, exc_info: Any = None) -> Any:
            asked.status = status
            return start(status, headers, exc_info)

        return self._counted(self._app(environ, begin), asked)

    @staticmethod
    def _counted(pieces: Iterable[bytes], asked: Asked) -> Iterator[bytes]:
        for piece in pieces:
            asked.sent += len(piece)
            yield piece

    def put(self, key: str, data: bytes) -> str:
        """Store an object; its URL."""
        self.client.put_object(Bucket="data", Key=key, Body=data)
        return f"s3://data/{key}"

    def get(self, key: str) -> bytes:
        """The bytes of an object."""
        body: bytes = self.client.get_object(Bucket="data", Key=key)["Body"].read()
        return body

    def keys(self) -> list[str]:
        """The names of all objects."""
        found = self.client.list_objects_v2(Bucket="data").get("Contents", [])
        return [entry["Key"] for entry in found]

    def unfinished(self) -> int:
        """Number of uploads that are neither complete nor removed."""
        return len(self.client.list_multipart_uploads(Bucket="data").get("Uploads", []))

    def clear(self) -> None:
        """Forget all objects, requests and answers."""
        self.answer = lambda asked: None
        for key in self.keys():
            self.client.delete_object(Bucket="data", Key=key)
        self.log.clear()

    def close(self) -> None:
        self.client.close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Web:
    """A web server of files in memory.

    Attributes:
        files: path -> bytes.
        ranges: whether it answers requests for ranges.
        tag: the ETag of all files; None sends none.
        lost: bytes that are missing at the end of each answer.
        hidden: bytes that the length of each answer does not count, and that are not sent.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.log: list[Asked] = []
        self.ranges, self.tag, self.lost, self.hidden = True, '"one"', 0, 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self._thread = threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


def _handler(web: Web) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            wanted = self.headers.get("Range")
            asked = Asked(self.command, path, query, wanted, self.headers.get("If-Match"))
            web.log.append(asked)
            data = web.files.get(urllib.parse.unquote(path))
            if data is None:
                self.send_error(404)
                return
            if asked.if_match not in {None, web.tag}:
                self.send_error(412)
                return
            size, start = len(data), 0
            if wanted is not None and web.ranges:
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                start = int(first)
                data = data[start : int(last) + 1]
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{start + len(data) - 1}/{size}")
            else:
                self.send_response(200)
            if web.tag is not None:
                self.send_header("ETag", web.tag)
            self.send_header("Content-Length", str(len(data) - web.hidden))
            self.end_headers()
            if self.command == "GET":
                data = data[: len(data) - web.hidden - web.lost]
                asked.sent = len(data)
                with contextlib.suppress(OSError):
                    self.wfile.write(data)
            self.close_connection = web.lost > 0

    return Handler
