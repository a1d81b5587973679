"""Reading what a browser sent: JSON fields of stated types, and who is signed in."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from flask import current_app, g, request, session
from flask.json.provider import DefaultJSONProvider
from werkzeug.routing import IntegerConverter

from oracle.community.community import Community
from oracle.errors import FormatError
from oracle.evidence.codec import parse_json
from oracle.ports import LabelingDesk
from webapp.problems import Problem
from webapp.settings import Settings


def desk() -> LabelingDesk:
    """Return the platform behind the page."""
    return cast(LabelingDesk, current_app.extensions["desk"])


def community() -> Community:
    """Return what the platform does for people."""
    return cast(Community, current_app.extensions["community"])


def settings() -> Settings:
    """Return the page's settings."""
    return cast(Settings, current_app.extensions["settings"])


def visitor() -> bytes | None:
    """Return the address of the wallet that is signed in, 20 bytes; None where none is."""
    if "contributor" not in g:
        token = session.get("token")
        g.contributor = community().sessions.contributor(token) if token is not None else None
    return cast("bytes | None", g.contributor)


def signed_in() -> bytes:
    """Return the address of the wallet that signed in, 20 bytes; Problem 401 where none did, or
    where the page that asks was made for another one: a browser's tabs share their cookie."""
    contributor = visitor()
    if contributor is None:
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "signed_out",
            "You are signed out. Sign in with your wallet again.",
        )
    # By scripts, by forms, and by event streams, which send no headers of their own.
    meant = (
        request.headers.get("DDLP-Account"),
        *(one.get("account") for one in (request.form, request.args)),
    )
    if any(one is not None and one.lower() != "0x" + contributor.hex() for one in meant):
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "other_account",
            "Another account is signed in in this browser by now. "
            "Reload the page to go on with it, or sign in with yours again.",
        )
    return contributor


def form_number(name: str) -> int:
    """Return a form's field as a number below 2^31; Problem 400 where it is none."""
    text = request.form.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise _malformed(name, "a number")
    return int(text)


class BoundedNumber(IntegerConverter):
    """A number in an address, of so many digits as every database holds; others lead nowhere."""

    regex = r"\d{1,9}"


class BoundedJson(DefaultJSONProvider):
    """Flask's JSON, that reads none that nests deeply: a parser in C follows as deep as the
    process' recursion limit lets it, and its stack may end before."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Parse JSON; ValueError, which becomes a 400, where it is none or nests too deeply."""
        try:
            return parse_json(s if isinstance(s, str) else s.decode())
        except FormatError as error:
            raise ValueError(str(error)) from error


class Body:
    """The request's JSON object; every reader raises Problem 400 for a field that is missing or of
    another form.
    """

    def __init__(self) -> None:
        value = request.get_json()
        if not isinstance(value, dict):
            raise _malformed("the body", "a JSON object")
        self._fields: dict[str, Any] = value

    def data(self, name: str, size: int | None = None) -> bytes:
        """Read 0x-prefixed hex, of `size` bytes where that is given."""
        text = self.text(name)
        try:
            data = bytes.fromhex(text.removeprefix("0x"))
        except ValueError:
            raise _malformed(name, "hex") from None
        if size is not None and len(data) != size:
            raise _malformed(name, f"{size} bytes of hex")
        return data

    def text(self, name: str) -> str:
        """Read a text."""
        value = self._fields.get(name)
        if not isinstance(value, str):
            raise _malformed(name, "a text")
        return value

    def texts(self, name: str, most: int) -> list[bytes]:
        """Read a list of at most `most` texts, as UTF-8."""
        value = self._fields.get(name)
        if not isinstance(value, list) or len(value) > most:
            raise _malformed(name, f"a list of at most {most} texts")
        try:
            return [text.encode() for text in value]
        except (AttributeError, UnicodeEncodeError):
            raise _malformed(name, "a list of texts") from None

    def integer(self, name: str, least: int, most: int) -> int:
        """Read an integer from `least` to `most`."""
        value = self._fields.get(name)
        if type(value) is not int or not least <= value <= most:
            raise _malformed(name, f"an integer from {least} to {most}")
        return value


def _malformed(name: str, expected: str) -> Problem:
    return Problem(
        HTTPStatus.BAD_REQUEST,
        "malformed",
        f"The request is malformed: {name} must be {expected}. Reload the page and try again.",
    )
