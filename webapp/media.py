"""What items show: their texts, and media that browsers may only draw or play."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from oracle.ports import ItemPart, ItemView, Media

# SVG and HTML can carry script: whatever isn't listed is sent as a plain download.
_SHOWN_TYPES = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/webp",
        "image/gif",
        "audio/wav",
        "audio/mpeg",
        "audio/ogg",
        "audio/webm",
        "audio/flac",
    }
)


def send_media(found: Media) -> Response:
    """Send media for a page to show; players may ask for a part (RFC 9110, section 14)."""
    shown = found.type in _SHOWN_TYPES
    response = Response(
        found.data, content_type=found.type if shown else "application/octet-stream"
    )
    if not shown:
        response.headers["Content-Disposition"] = "attachment"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    if found.public:  # else whoever uses the browser next could see it
        response.headers["Cache-Control"] = "private, max-age=3600"
    size = len(found.data)
    return response.make_conditional(request.environ, accept_ranges=True, complete_length=size)


def item_json(item: ItemView) -> dict[str, Any]:
    """Return what the script shows of an item; `second` is null but for comparisons."""
    return {
        "first": _part_json(item.first),
        "second": None if item.second is None else _part_json(item.second),
    }


def _part_json(part: ItemPart) -> dict[str, Any]:
    return {"text": part.text, "media": part.media_type}
