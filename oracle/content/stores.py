"""Which content store the settings name, and how its places catch up with one another."""

from __future__ import annotations

import logging
import threading

from oracle.config import Settings
from oracle.content.kubo import KuboContent
from oracle.content.local import LocalContent
from oracle.content.replicated import ReplicatedContent
from oracle.errors import DDLPError
from oracle.ports import ContentStore

log = logging.getLogger(__name__)


def open_content(settings: Settings) -> ContentStore:
    """Return the local folder; with Kubo daemons named, the folder and them as one store.

    InputError where more copies are asked for than there are places.
    """
    local = LocalContent(settings.content_dir)
    if not settings.ipfs_url and settings.content_copies == 1:
        return local
    daemons = [KuboContent(address) for address in settings.ipfs_url]
    return ReplicatedContent([local, *daemons], settings.content_copies)


class CatchUp:
    """Gives daemons that were down, or are new, what they lack, beside what else a process does.

    Whoever runs on calls it now and then; it returns at once. A new daemon may lack all blocks of
    all campaigns: nobody's receipt waits for them.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def __call__(self, content: ContentStore) -> None:
        """Begin to give each place of `content` what it lacks, unless that is under way."""
        if not isinstance(content, ReplicatedContent) or not content.is_behind:
            return
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=_repair, args=(content,), daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Return once what was begun has ended."""
        if self._thread is not None:
            self._thread.join()


def _repair(content: ReplicatedContent) -> None:
    try:
        content.repair()
    except DDLPError as error:
        log.warning("content places aren't caught up: %s", error)
    except Exception:
        log.exception("content places aren't caught up, by a bug")
