"""How a leader puts its proposal to peers: one after another, or several at once, so that one that
never answers holds up nobody."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence

from oracle.errors import DDLPError
from oracle.ports import Peer, Vote

# Puts a question to peers, in their order of preference; whoever has enough answers leaves.
Asking = Callable[[Sequence[Peer], Callable[[Peer], Vote]], Iterator[tuple[Peer, Vote | DDLPError]]]
PATIENCE_SECONDS = 20.0  # a peer derives a small epoch in less; a large one is waited for


def one_by_one(
    peers: Sequence[Peer], ask: Callable[[Peer], Vote]
) -> Iterator[tuple[Peer, Vote | DDLPError]]:
    """Ask a peer when the one before has answered: for peers that are at hand."""
    for peer in peers:
        try:
            answer: Vote | DDLPError = ask(peer)
        except DDLPError as error:
            answer = error
        yield peer, answer


def at_once(wanted: int, patience: float = PATIENCE_SECONDS) -> Asking:
    """Return what asks `wanted` peers at once, in their order, and one more whenever one refuses,
    fails, or nobody has answered for `patience` seconds.

    Where all have been asked and one has refused, the others are waited for no longer than that:
    with what it handed over a better proposal can be made. Whoever leaves leaves the questions that
    are under way to threads of their own.
    """

    def ask_all(
        peers: Sequence[Peer], ask: Callable[[Peer], Vote]
    ) -> Iterator[tuple[Peer, Vote | DDLPError]]:
        answers: queue.Queue[tuple[Peer, Vote | Exception]] = queue.Queue()
        waiting, running, refused = list(peers), 0, False

        def put(peer: Peer) -> None:
            try:
                answers.put((peer, ask(peer)))
            except Exception as error:  # raised where it is read
                answers.put((peer, error))

        def start() -> int:
            threading.Thread(target=put, args=(waiting.pop(0),), daemon=True).start()
            return 1

        for _ in range(min(wanted, len(waiting))):
            running += start()
        while running:
            try:
                peer, answer = answers.get(timeout=patience)
            except queue.Empty:
                if not waiting and refused:
                    return
                running += start() if waiting else 0
                continue
            running -= 1
            if isinstance(answer, Exception) and not isinstance(answer, DDLPError):
                raise answer
            if isinstance(answer, DDLPError) or answer.signature is None:
                refused = refused or isinstance(answer, Vote)
                running += start() if waiting else 0
            yield peer, answer

    return ask_all
