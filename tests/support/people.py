"""A `Community` of its own for a test, on a database and a content store in a folder."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from oracle.community.community import Community
from oracle.content.local import LocalContent
from oracle.store.database import open_database


@contextmanager
def community_in(
    folder: Path | None = None, now: Callable[[], float] = time.time
) -> Iterator[Community]:
    """Open one in `folder`, by default in a temporary one that goes in the end."""
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        engine = open_database(f"sqlite:///{place / 'people.db'}")
        try:
            yield Community(engine, LocalContent(place / "content"), now=now)
        finally:
            engine.dispose()
