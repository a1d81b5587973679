"""Which content store the settings name."""

from __future__ import annotations

from oracle.config import Settings
from oracle.content.kubo import KuboContent
from oracle.content.local import LocalContent
from oracle.content.replicated import ReplicatedContent
from oracle.ports import ContentStore


def open_content(settings: Settings) -> ContentStore:
    """Return the local folder; with Kubo daemons named, the folder and them as one store.

    InputError where more copies are asked for than there are places.
    """
    local = LocalContent(settings.content_dir)
    if not settings.ipfs_url and settings.content_copies == 1:
        return local
    daemons = [KuboContent(address) for address in settings.ipfs_url]
    return ReplicatedContent([local, *daemons], settings.content_copies)


def catch_up(content: ContentStore) -> None:
    """Give daemons that were down, or are new, what they lack; whoever runs on calls it now and
    then."""
    if isinstance(content, ReplicatedContent):
        content.repair()
