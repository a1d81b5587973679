"""All that the page does for people, in one hand."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Engine

from oracle.community.board import Board
from oracle.community.inbox import Inbox
from oracle.community.learning import Learning
from oracle.community.privacy import Privacy
from oracle.community.proposals import Proposals
from oracle.community.ratings import Ratings
from oracle.community.sessions import Sessions
from oracle.errors import ContentMissing, FormatError, InputError
from oracle.evidence.codec import Link
from oracle.ports import ContentStore, Media
from oracle.store.opinions import OpinionStore
from oracle.store.people import PeopleStore

SESSION_SECONDS = 12 * 3600
# What a browser draws and can't run, by its first bytes.
_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


class Community:
    """Sessions, privacy, learning, inbox, and what people think, over one database; pictures from
    `content`; `now` gives Unix seconds, a session lasts `session_seconds`."""

    def __init__(
        self,
        engine: Engine,
        content: ContentStore,
        *,
        session_seconds: int = SESSION_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        store = PeopleStore(engine)
        self._content = content
        self.session_seconds = session_seconds
        self.sessions = Sessions(store, session_seconds, now)
        self.privacy = Privacy(store, now)
        self.learning = Learning(store, now)
        self.inbox = Inbox(store, self.learning, now)
        opinions = OpinionStore(engine)
        self.board, self.ratings = Board(opinions, now), Ratings(opinions, now)
        self.proposals = Proposals(opinions, store, self.learning, now)

    def picture(self, cid: str) -> Media:
        """Return a picture of guidelines or training by its CID; InputError where it is none."""
        try:
            link = Link.parse(cid)
            data = self._content.get(link.digest, link.codec)
        except (FormatError, ContentMissing):
            raise InputError("there is no picture of this name: reload the page") from None
        for start, kind in _PICTURES:
            if data.startswith(start):
                return Media(kind, data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return Media("image/webp", data)
        raise InputError("this is no picture that a page shows: use PNG, JPEG, WebP or GIF")
