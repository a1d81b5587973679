"""Indexer: brings a store of logs in step with the chain, also where blocks are replaced.

What was read stands on a checkpoint, the newest block that can't be undone any more, and on the
hash of every block since. Where the chain goes another way, the store goes back to the last block
that both share, and on from there; where the checkpoint itself is gone, that is an error: money was
decided on it. A node that leaves logs out is noticed, see `_check_completeness`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from web3 import Web3

from oracle.chain.events import read_log
from oracle.chain.proofs import bloom_mask, header_hash, receipts_root, to_bytes, to_int
from oracle.chain.rpc import (
    LONGEST_SPAN,
    log_spans,
    node_name,
    request,
    request_many,
    witnesses,
)
from oracle.errors import ChainError, ChainReorg, FormatError
from oracle.evidence.signing import checksum
from oracle.ports import ChainLog, EventStore
from oracle.protocol.facts import Block

# Up to so many blocks behind the head, a single node's word is checked by every header's bloom.
CHECKED_BLOCKS = 20_000
CHECKED_SPAN = 1_000  # of them at once: what is held are their headers
RECEIPTS = 10  # blocks whose receipts are asked for at once; a full block's take half a megabyte
ATTEMPTS = 5  # to read a span before the chain has changed it again


class Indexer:
    """Reads the logs of the contracts at `addresses` (20 bytes each) from `first_block` on.

    `finality` is "finalized" (what can't be undone), "latest", or a number of confirmations: the
    newest block that counts has so many above it.
    """

    def __init__(
        self,
        w3: Web3,
        addresses: Sequence[bytes],
        first_block: int,
        store: EventStore,
        finality: str | int = "finalized",
    ) -> None:
        if finality not in ("finalized", "latest") and not (
            isinstance(finality, int) and finality > 0
        ):
            raise ChainError(
                f"finality is {finality!r}: name finalized, latest, or a number of confirmations"
            )
        self.w3, self.store, self.finality = w3, store, finality
        self._addresses = [checksum(address) for address in addresses]
        self._blooms = [bloom_mask(address) for address in addresses]
        self._first_block = first_block

    def follow(self) -> Block:
        """Read on to the newest block that counts, and return the last one read.

        Raises ChainReorg where what can't be undone was, ChainError where the node can't be asked,
        doesn't answer for one chain, or leaves logs out; the store then holds what was read before.
        """
        for _ in range(ATTEMPTS):
            recent = self.store.recent() or self._begin()
            head = self._head()
            tip = recent[-1]
            if head == tip:
                return tip
            try:
                if head.number <= tip.number or self.block(tip.number) != tip:
                    tip = self._return_to_chain(recent)
                return self._read(tip, head)
            except _Replaced:
                continue
            except (FormatError, LookupError, TypeError, AttributeError) as error:
                raise ChainError(
                    f"the node at {node_name(self.w3)} answered nonsense ({error}): use another one"
                ) from error
        raise ChainError(
            f"blocks were replaced {ATTEMPTS} times while they were read: use a node that stays on "
            "one chain, or wait for more confirmations (DDLP_FINALITY)"
        )

    def newest(self) -> Block:
        """Return the newest block, whether it counts or not."""
        return _block(self._header("latest"))

    def block(self, number: int) -> Block:
        """Return a block as the node tells it; ChainError where it has none of that number."""
        return _block(self._header(hex(number)))

    def blocks(self, numbers: Sequence[int]) -> list[Block]:
        """Return blocks as the node tells them, in the order of `numbers`; ChainError where it has
        none of one of them."""
        found: list[Block] = []
        for start in range(0, len(numbers), CHECKED_SPAN):
            part = numbers[start : start + CHECKED_SPAN]
            asked = [(hex(number), False) for number in part]
            headers = request_many(self.w3, "eth_getBlockByNumber", asked)
            for number, header in zip(part, headers, strict=True):
                found.append(_block(_there(header, hex(number))))
        return found

    # -- where the chain is ----------------------------------------------------------------------

    def _begin(self) -> list[Block]:
        """Note the block before the first; nothing of ours is in it or earlier."""
        before = self.block(max(self._first_block - 1, 0))
        self.store.append(None, [before], [], before.number)
        return [before]

    def _head(self) -> Block:
        if isinstance(self.finality, str):
            return _block(self._header(self.finality))
        return self.block(max(self.newest().number - self.finality, 0))

    def _return_to_chain(self, recent: Sequence[Block]) -> Block:
        """Return the newest block read that is still the chain's; what came after it is forgotten
        where the chain has other blocks in its place."""
        newest = self.newest()
        checkpoint = recent[0]
        if newest.number < checkpoint.number:
            raise _reorg(checkpoint, f"the chain ends at block {newest.number}")
        # Nodes behind one address may be a little apart: a block that is only missing may come.
        there = [known for known in recent if known.number <= newest.number]
        for known in reversed(there):
            if self.block(known.number) == known:
                if known == there[-1]:
                    return recent[-1]
                self.store.rollback(known)
                return known
        raise _reorg(checkpoint, "it has another hash now")

    def _header(self, tag: str) -> Mapping[str, Any]:
        return _there(request(self.w3, "eth_getBlockByNumber", tag, False), tag)

    # -- reading ---------------------------------------------------------------------------------

    def _read(self, tip: Block, head: Block) -> Block:
        """Read from `tip` to `head`, span by span; return the last block read."""
        final = head.number
        if self.finality != "finalized":
            final = min(final, to_int(self._header("finalized")["number"], "number"))
        check = witnesses(self.w3) < 2 and head.number - tip.number <= CHECKED_BLOCKS
        longest = CHECKED_SPAN if check else LONGEST_SPAN
        for first, last, found in log_spans(
            self.w3, self._addresses, [], tip.number + 1, head.number, longest
        ):
            numbers = range(first if check else max(first, min(final, last)), last + 1)
            headers = request_many(
                self.w3, "eth_getBlockByNumber", [(hex(number), False) for number in numbers]
            )
            blocks = _one_chain(tip, numbers, headers)
            hashes = {block.number: block.hash for block in blocks}
            logs = [_log(log, first, last, hashes) for log in found]
            if last == head.number and blocks[-1] != head:
                raise _Replaced
            if check:
                self._check_completeness(headers, logs)
            kept = [block for block in blocks if block.number >= final] or blocks[-1:]
            self.store.append(tip, kept, logs, final)
            tip = blocks[-1]
        return tip

    def _check_completeness(
        self, headers: Sequence[Mapping[str, Any]], logs: Sequence[ChainLog]
    ) -> None:
        """Raise ChainError unless `logs` are all that the blocks of these headers hold of ours.

        A header's bloom (yellow paper, section 4.3.1) says in which blocks there may be some; there
        the receipts, which the header's root proves, show which.
        """
        for header in headers:
            if header_hash(header) != to_bytes(header["hash"], "hash"):
                raise ChainError(
                    f"block {header['number']}: the header isn't its hash's: use another node"
                )
        told: dict[int, list[_Shown]] = {}
        for log in logs:
            told.setdefault(log.block, []).append((log.index, log.address, log.topics, log.data))
        suspects = [
            header
            for header in headers
            if to_int(header["number"], "number") in told or self._may_hold_ours(header)
        ]
        for header, receipts in self._with_receipts(suspects):
            number = to_int(header["number"], "number")
            proven = proven_logs(header, receipts or (), self._addresses)
            found = told.get(number, [])
            if proven != found:
                raise ChainError(
                    f"the node at {node_name(self.w3)} tells of {len(found)} logs in block "
                    f"{number}, which holds {len(proven)}: name another node, or several "
                    "(DDLP_RPC_URL)"
                )

    def _with_receipts(
        self, headers: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[Mapping[str, Any], Any]]:
        for start in range(0, len(headers), RECEIPTS):
            part = headers[start : start + RECEIPTS]
            asked = [(header["number"],) for header in part]
            yield from zip(part, request_many(self.w3, "eth_getBlockReceipts", asked), strict=True)

    def _may_hold_ours(self, header: Mapping[str, Any]) -> bool:
        bloom = to_int(header["logsBloom"], "logsBloom")
        return any(bloom & mask == mask for mask in self._blooms)


class _Replaced(Exception):
    """The chain changed while it was read."""


_Shown = tuple[int, bytes, tuple[bytes, ...], bytes]  # place in the block, address, topics, data


def proven_logs(
    header: Mapping[str, Any], receipts: Sequence[Mapping[str, Any]], addresses: Sequence[str]
) -> list[_Shown]:
    """Return the logs of contracts that a block's receipts hold, which its header proves.

    `addresses` as texts. Raises ChainError where the receipts aren't the header's.
    """
    wanted = {one.lower() for one in addresses}
    if receipts_root(receipts) != to_bytes(header["receiptsRoot"], "receiptsRoot"):
        raise ChainError(
            f"block {header['number']}: the receipts aren't the header's: use another node"
        )
    logs = [log for receipt in receipts for log in receipt["logs"]]
    shown = (
        read_log(log, block=0, index=at, transaction=b"")
        for at, log in enumerate(logs)
        if log["address"].lower() in wanted
    )
    return [(log.index, log.address, log.topics, log.data) for log in shown]


def _one_chain(
    tip: Block, numbers: Sequence[int], headers: Sequence[Mapping[str, Any] | None]
) -> list[Block]:
    """Return the blocks of these headers, each of which follows the one before."""
    blocks: list[Block] = []
    before = tip
    for number, header in zip(numbers, headers, strict=True):
        if header is None:
            raise _Replaced
        block = _block(header)
        parent = to_bytes(header["parentHash"], "parentHash")
        if block.number != number or (number == before.number + 1 and parent != before.hash):
            raise _Replaced
        blocks.append(block)
        before = block
    return blocks


def _log(log: Mapping[str, Any], first: int, last: int, hashes: Mapping[int, bytes]) -> ChainLog:
    number = to_int(log["blockNumber"], "blockNumber")
    if not first <= number <= last:
        raise ChainError(
            f"asked for blocks {first} to {last}, the node told of a log in {number}: use another"
        )
    block_hash = to_bytes(log["blockHash"], "blockHash")
    if log.get("removed") or hashes.get(number, block_hash) != block_hash:
        raise _Replaced
    index = to_int(log["logIndex"], "logIndex")
    transaction = to_bytes(log["transactionHash"], "transactionHash")
    return read_log(log, block=number, index=index, transaction=transaction)


def _there(header: Mapping[str, Any] | None, tag: str) -> Mapping[str, Any]:
    if header is None:
        raise ChainError(f"the node has no block {tag}: let it catch up, or use another one")
    return header


def _block(header: Mapping[str, Any]) -> Block:
    return Block(
        to_int(header["number"], "number"),
        to_bytes(header["hash"], "hash"),
        to_int(header["timestamp"], "timestamp"),
    )


def _reorg(checkpoint: Block, how: str) -> ChainReorg:
    return ChainReorg(
        f"block {checkpoint.number} was read before and final, but {how}: the chain lost blocks. "
        "Start again from a state that was saved together with this chain"
    )
