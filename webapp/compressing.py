"""The page's own scripts and styles travel compressed; pages don't, since they may hold secrets
beside what a stranger chose (BREACH).
"""

from __future__ import annotations

import gzip
from functools import lru_cache

from flask import Flask, Response, request

_TEXTS = {"text/javascript", "application/javascript", "text/css", "image/svg+xml"}


def install(app: Flask) -> None:
    """Compress static texts for browsers that take gzip."""

    @app.after_request
    def compress(response: Response) -> Response:
        if request.endpoint != "static" or response.mimetype not in _TEXTS:
            return response
        response.vary.add("Accept-Encoding")
        if response.status_code == 200 and "gzip" in request.accept_encodings:
            response.direct_passthrough = False
            response.set_data(_compressed(response.get_data()))
            response.headers["Content-Encoding"] = "gzip"
            tag, _ = response.get_etag()
            if tag is not None:
                response.set_etag(tag, weak=True)  # other bytes, the same meaning
        return response


@lru_cache(maxsize=32)
def _compressed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)
