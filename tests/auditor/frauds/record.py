"""The folder itself: chain.jsonl and the blocks of content, altered by whoever hands them over."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oracle.auditor.codes import Severity
from oracle.chain.proofs import header_hash
from tests.auditor.frauds.catalogue import Options, folder

Lines = list[Any]


def rewrite(directory: Path, change: Callable[[Lines], None]) -> None:
    path = directory / "chain.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def busy(lines: Lines) -> dict[str, Any]:
    """The last block with a payment."""
    return next(
        one for one in reversed(lines[:-1]) if any(r["logs"] for r in one.get("receipts", ()))
    )


def _last_hash(directory: Path) -> bytes:
    line = (directory / "chain.jsonl").read_text().splitlines()[-2]
    return bytes.fromhex(json.loads(line)["header"]["hash"][2:])


# -- chain.jsonl -------------------------------------------------------------------------------


@folder("CHAIN-RECEIPTS")
def event_altered(directory: Path) -> None:
    """An event's amount is rewritten."""

    def change(lines: Lines) -> None:
        log = busy(lines)["receipts"][0]["logs"][0]
        log["data"] = log["data"][:-1] + ("1" if log["data"][-1] != "1" else "2")

    rewrite(directory, change)


@folder("CHAIN-RECEIPTS")
def event_left_out(directory: Path) -> None:
    """An event is left out of its block."""
    rewrite(directory, lambda lines: busy(lines)["receipts"][0]["logs"].pop())


@folder("CHAIN-RECEIPTS")
def receipt_without_transaction(directory: Path) -> None:
    """A block has a receipt more than transactions."""

    def change(lines: Lines) -> None:
        block = busy(lines)
        block["receipts"].append(block["receipts"][0])

    rewrite(directory, change)


@folder("CHAIN-TRANSACTIONS")
def transaction_altered(directory: Path) -> None:
    """A transaction is rewritten."""

    def change(lines: Lines) -> None:
        block = busy(lines)
        block["transactions"][0] = block["transactions"][0][:-2] + "ee"

    rewrite(directory, change)


@folder("CHAIN-HEADER")
def time_altered(directory: Path) -> None:
    """A block's time is rewritten, to make a window seem over."""

    def change(lines: Lines) -> None:
        lines[50]["header"]["timestamp"] = "0x1"

    rewrite(directory, change)


@folder("CHAIN-ORDER")
def time_altered_and_hashed(directory: Path) -> None:
    """A block's time is rewritten and its hash made to fit."""

    def change(lines: Lines) -> None:
        header = lines[50]["header"]
        header["timestamp"] = "0x1"
        header["hash"] = "0x" + header_hash(header).hex()

    rewrite(directory, change)


@folder("CHAIN-ORDER")
def blocks_left_out(directory: Path) -> None:
    """Blocks in the middle of the record are left out."""

    def change(lines: Lines) -> None:
        del lines[60:64]

    rewrite(directory, change)


@folder("CHAIN-UNTRUSTED")
def chain_made_up(directory: Path) -> Options:
    """A whole chain is made up from an altered block on; every hash fits, and the auditor holds a
    hash of the true one."""
    trusted = _last_hash(directory)

    def change(lines: Lines) -> None:
        parent = lines[50]["header"]["hash"]
        for line in lines[51:-1]:
            header = line["header"]
            header["parentHash"] = parent
            header["extraData"] = "0x01"
            header["hash"] = parent = "0x" + header_hash(header).hex()

    rewrite(directory, change)
    return {"trusted_hash": trusted}


@folder("CHAIN-UNTRUSTED")
def record_stops_earlier(directory: Path) -> Options:
    """The record is of the right chain, but ends before the block that the auditor asks for."""
    return {"trusted_hash": b"\x11" * 32}


@folder("ANCHOR-UNKNOWN", severity=Severity.FRAUD)
def chain_made_up_and_unbound(directory: Path) -> None:
    """A whole chain is made up from an altered block on, for an auditor who trusts no chain: the
    log's anchors still name the true one."""

    def change(lines: Lines) -> None:
        parent = lines[50]["header"]["hash"]
        for line in lines[51:-1]:
            header = line["header"]
            header["parentHash"] = parent
            header["extraData"] = "0x01"
            header["hash"] = parent = "0x" + header_hash(header).hex()

    rewrite(directory, change)


@folder("CHAIN-GENESIS")
def another_genesis(directory: Path) -> None:
    """deployment.json is of another chain than the record."""
    path = directory / "deployment.json"
    said = json.loads(path.read_text())
    said["genesis"] = "0x" + "12" * 32
    path.write_text(json.dumps(said))


@folder("CHAIN-STATE")
def balance_altered(directory: Path) -> None:
    """The balances proven at the end are rewritten."""

    def change(lines: Lines) -> None:
        for account in lines[-1]["state"]["accounts"]:
            for slot in account["storage"]:
                slot["value"] = hex(int(slot["value"], 16) + 1)

    rewrite(directory, change)


@folder("CHAIN-CODE")
def code_altered(directory: Path) -> None:
    """The recorded code isn't the account's."""

    def change(lines: Lines) -> None:
        account = lines[-1]["state"]["accounts"][0]
        account["code"] = account["code"][:-2] + "ff"

    rewrite(directory, change)


@folder("CHAIN-INCOMPLETE")
def beginning_left_out(directory: Path) -> None:
    """The record begins after the contracts were deployed."""

    def change(lines: Lines) -> None:
        del lines[1:4]

    rewrite(directory, change)


@folder("CHAIN-TRUNCATED")
def end_left_out(directory: Path) -> None:
    """The record breaks off."""
    path = directory / "chain.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


# -- content -----------------------------------------------------------------------------------


def _blocks(directory: Path, *parts: bytes) -> list[Path]:
    return [
        path
        for path in sorted((directory / "content").iterdir())
        if all(part in path.read_bytes() for part in parts)
    ]


@folder("BLOCK-CORRUPT", severity=Severity.AVAILABILITY)
def payout_altered_in_place(directory: Path) -> None:
    """A payout is rewritten in the published leaves."""
    path = _blocks(directory, b"leaves", b"cumulatives")[0]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


@folder("BLOCK-MISSING", severity=Severity.AVAILABILITY)
def evidence_left_out(directory: Path) -> None:
    """The leaves behind a receipt aren't handed over."""
    _blocks(directory, b"leaves", b"cumulatives")[0].unlink()


@folder("BLOCK-MISSING", severity=Severity.AVAILABILITY)
def manifest_replaced_in_the_folder(directory: Path) -> None:
    """The manifest is taken away, and another put beside it."""
    from oracle.evidence.codec import json_block

    path = _blocks(directory, b'"redundancyMax"')[0]
    document = json.loads(path.read_text())
    document["payment"]["base"] = 1_000_000
    path.unlink()
    block = json_block(document)
    (directory / "content" / str(block.link)).write_bytes(block.data)
