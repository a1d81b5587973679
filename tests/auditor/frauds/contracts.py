"""Contracts that aren't the shipped ones, and campaigns whose content isn't what it must be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from oracle.chain.deployment import Deployment
from oracle.evidence.codec import json_block
from oracle.evidence.hashing import keccak256
from oracle.evidence.signing import address_of, checksum
from tests.auditor.frauds.catalogue import chain, folder, run_of, stage
from tests.auditor.paper import PaperRun, event_log, text
from tests.support.world import key_of

THIEF = address_of(key_of("thief"))


def _look_alike(name: str, at: int) -> PaperRun:
    """One byte of a contract's code is another."""
    run = stage("settled")
    honest = run.code

    def code(deployment: Deployment, contract: str) -> bytes:
        whole = bytearray(honest(deployment, contract))
        if contract == name:
            whole[at] ^= 1
        return bytes(whole)

    run.code = code  # type: ignore[method-assign]
    return run


@run_of("CONTRACT-CODE", "chain")
def token_look_alike() -> PaperRun:
    """The token's code is changed by one byte."""
    return _look_alike("LabelToken", 100)


@run_of("CONTRACT-CODE", "chain")
def vault_look_alike() -> PaperRun:
    """The vault's code is changed by one byte."""
    return _look_alike("StakeVault", 100)


@run_of("CONTRACT-CODE", "chain")
def escrow_look_alike() -> PaperRun:
    """The escrow's code is changed by one byte."""
    return _look_alike("CampaignEscrow", 100)


@run_of("CONTRACT-CODE", "chain")
def board_wired_elsewhere() -> PaperRun:
    """The board's code is the shipped one, but an immutable is another."""
    return _look_alike("ReceiptBoard", -1)


@folder("CONTRACT-CODE")
def shorter_window_named(directory: Path) -> None:
    """deployment.json names a shorter window than the board was built with."""
    path = directory / "deployment.json"
    said = json.loads(path.read_text())
    said["parameters"]["window_seconds"] = 1
    path.write_text(json.dumps(said))


@folder("CONTRACT-CODE")
def treasury_named_otherwise(directory: Path) -> None:
    """deployment.json names somebody else as the treasury that slashes go to."""
    path = directory / "deployment.json"
    said = json.loads(path.read_text())
    said["contracts"]["Treasury"]["address"] = checksum(THIEF)
    path.write_text(json.dumps(said))


@folder("DEPLOYMENT-OTHER")
def platform_of_somebody_else(directory: Path) -> dict[str, Any]:
    """A run of contracts that somebody else deployed is passed off as the registered platform's."""
    deployment = Deployment.load(directory / "deployment.json")
    escrow = replace(deployment.contracts["CampaignEscrow"], address=THIEF)
    contracts = {**deployment.contracts, "CampaignEscrow": escrow}
    return {"known": {"ours": replace(deployment, contracts=contracts)}}


@chain("CONTRACT-EVENT")
def event_of_no_contract(run: PaperRun) -> None:
    """The escrow emits an event that its code doesn't have."""
    log = event_log("CampaignEscrow", "CampaignClosed", campaign=1, caller=THIEF)
    log["topics"][0] = text(keccak256(b"Rescued(uint256,address)"))
    run.mine(log)


@chain("CONTRACT-EVENT")
def event_cut_short(run: PaperRun) -> None:
    """An event holds less data than its type."""
    values = {"campaign": 1, "account": THIEF, "epoch": 1, "amount": 5}
    log = event_log("CampaignEscrow", "Paid", **values, accepted=1, submitted=1)
    log["data"] = log["data"][:66]
    run.mine(log)


@chain("CHAIN-RECEIPTS")
def events_of_a_failed_transaction(run: PaperRun) -> None:
    """A transaction that failed is recorded with the events of a refund."""
    run.refund()
    run.failed.add((run.block, 0))


# -- the campaign's content --------------------------------------------------------------------


@run_of("MANIFEST", "requester")
def fewer_items_than_counted() -> PaperRun:
    """The manifest counts more items than its index holds, so that draws name nothing."""
    return _created_for(itemCount=99)


@run_of("MANIFEST", "requester")
def less_gold_than_counted() -> PaperRun:
    """The manifest counts more gold than was committed to."""
    return _created_for(gold__count=99)


@run_of("MANIFEST", "requester")
def manifest_of_nothing() -> PaperRun:
    """The manifest on chain is a block that is no manifest."""
    return _created_for(task="anything")


def _created_for(**changes: object) -> PaperRun:
    """A campaign that is created for a manifest which contradicts its content."""
    run = PaperRun()
    document = {**run.manifest.document}
    for name, value in changes.items():
        part, _, inner = name.partition("__")
        document[part] = {**document[part], inner: value} if inner else value
    block = json_block(document)
    run.keep(block)
    log = run.transactions[6][0][1]
    log["data"] = log["data"].replace(run.manifest.block.digest.hex(), block.digest.hex())
    del run.headers[6:]
    return run
