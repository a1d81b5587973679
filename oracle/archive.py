"""Keeping content: `ddlp content export | import | check`.

Campaigns are looked up on the chain of a run's folder, or on the one that is served. The content
is in DDLP_CONTENT_DIR and the Kubo daemons of DDLP_IPFS_URL, or in a folder that is named.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from oracle.chain.facts import settlements
from oracle.config import load_settings
from oracle.content.car import CarReader, write_car
from oracle.content.dag import archive, links_of, walk
from oracle.content.local import LocalContent
from oracle.content.replicated import ReplicatedContent, scrub
from oracle.content.stores import open_content
from oracle.errors import (
    ContentCorrupt,
    ContentMissing,
    FormatError,
    InputError,
    UnknownCampaign,
)
from oracle.evidence.campaign import Fetch
from oracle.evidence.codec import DAG_CBOR, RAW, Block, Link, encode_cbor
from oracle.ports import ChainEvent, ContentStore

FILE = click.Path(path_type=Path)
FOLDER = click.option(
    "--content", "folder", type=FILE, help="A folder of blocks [default: the settings' content]."
)
RUN = click.option(
    "--dir", "run", type=FILE, help="A run's folder, whose chain.jsonl says what a campaign has."
)


@click.group()
def content() -> None:
    """Export, import and check content-addressed blocks."""


@content.command("export")
@click.argument("roots", metavar="CAMPAIGN|DIGEST...", nargs=-1, required=True)
@click.option("--out", type=FILE, required=True, help="The CAR to write.")
@RUN
@FOLDER
def export_car(roots: tuple[str, ...], out: Path, run: Path | None, folder: Path | None) -> None:
    """Write all blocks of campaigns, or under digests or CIDs, into one file."""
    source = _open(folder)
    links, made = _roots(roots, source, run)
    for block in made:  # so that a daemon can be asked for the campaign by one CID
        source.put(block.data, block.codec)
    partial = out.with_name(f"{out.name}.partial")
    try:
        try:
            with partial.open("wb") as file:
                count = write_car(file, links, walk(links, _fetch(source)))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(out)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{out} can't be written ({error.strerror}): make room, or name another file"
        ) from error
    click.echo(f"{count} blocks under {', '.join(map(str, links))} in {out}")


@content.command("import")
@click.argument("file", type=FILE)
@FOLDER
def import_car(file: Path, folder: Path | None) -> None:
    """Store the blocks of a CAR, each checked, and see that what its roots need is all there."""
    target, count = _open(folder), 0
    try:
        with file.open("rb") as opened:
            reader = CarReader(opened)
            for link, data in reader:
                target.put(data, link.codec)
                count += 1
    except OSError as error:
        raise InputError(f"{file} can't be read ({error.strerror}): name a CAR") from error
    missing = _problems(reader.roots, target)
    click.echo(f"{count} blocks under {', '.join(map(str, reader.roots))}")
    _report(missing)


@content.command()
@click.argument("roots", metavar="[CAMPAIGN|DIGEST]...", nargs=-1)
@click.option("--repair", is_flag=True, help="Put what a place lacks there from another one.")
@RUN
@FOLDER
def check(roots: tuple[str, ...], repair: bool, run: Path | None, folder: Path | None) -> None:
    """Read and hash every block in every place; of campaigns or digests, find what is missing."""
    source = _open(folder)
    places = source.stores if isinstance(source, ReplicatedContent) else (source,)
    problems = list(scrub(places, repair=repair))
    for one in roots:
        try:
            links, made = _roots([one], source, run)
            problems += _problems(links, source, made)
        except (ContentMissing, ContentCorrupt) as error:  # of what says which blocks there are
            problems.append(str(error))
    click.echo(f"{sum(1 for _ in source.iterate())} blocks in {' and '.join(map(str, places))}")
    _report(problems)


def _open(folder: Path | None) -> ContentStore:
    if folder is not None:
        return LocalContent(folder)
    return open_content(load_settings())


def _fetch(source: ContentStore) -> Fetch:
    return lambda link: source.get(link.digest, link.codec)


def _roots(
    texts: Sequence[str], source: ContentStore, run: Path | None
) -> tuple[list[Link], list[Block]]:
    """Return the CIDs of what arguments name, and blocks made for them that may be nowhere yet."""
    links: list[Link] = []
    made: list[Block] = []
    for text in texts:
        if text.isascii() and text.isdecimal() and len(text) < 64:
            blocks = _campaign(int(text), source, run)
            made += blocks
            links.append(blocks[0].link)
        else:
            links.append(_named(text, source))
    return links, made


def _named(text: str, source: ContentStore) -> Link:
    digits = text.removeprefix("0x")
    if re.fullmatch("[0-9a-fA-F]{64}", digits) is None:
        return Link.parse(text)
    digest = bytes.fromhex(digits)
    # A digest doesn't tell the codec; what is read as DAG-CBOR is an index.
    for codec in (DAG_CBOR, RAW):
        with suppress(ContentMissing, FormatError):
            links_of(Link(codec, digest), source.get(digest, codec))
            return Link(codec, digest)
    raise ContentMissing(f"no block {digits} here: get it from anyone who holds it")


def _campaign(number: int, source: ContentStore, run: Path | None) -> list[Block]:
    """Return the index of a campaign's content, and its shards: what the chain says it has."""
    events = [
        event
        for event in (_served_events() if run is None else _recorded_events(run))
        if event.arguments.get("campaign") == number
    ]
    created = [event for event in events if event.name == "CampaignCreated"]
    if not created:
        raise UnknownCampaign(f"campaign {number} doesn't exist: check its number")
    evidence = [
        posted.receipt.evidence
        for posted in settlements(events)
        # What was voided may have been so for evidence that nobody ever saw.
        if posted.voided_block is None or _is_whole(posted.receipt.evidence, source)
    ]
    return archive(_fetch(source), created[0].arguments["manifest"], evidence)


def _is_whole(evidence: bytes, source: ContentStore) -> bool:
    try:
        return not _problems([Link(DAG_CBOR, evidence)], source)
    except FormatError:
        return False


def _recorded_events(run: Path) -> Sequence[ChainEvent]:
    from oracle.auditor.folder import prove, read_folder
    from oracle.auditor.report import Findings

    found = Findings()
    deployment, record = read_folder(run, found)
    chain = None if record is None else prove(deployment, record, found)
    if chain is None:
        raise InputError(f"{run} holds no chain that can be proven: `ddlp audit {run}` says why")
    return chain.events


def _served_events() -> Sequence[ChainEvent]:
    from oracle.chain.development import find_deployment, served_url
    from oracle.chain.reader import Web3Reader
    from oracle.chain.rpc import connect
    from oracle.chain.wallets import DEV_CHAIN_IDS

    settings = load_settings()
    deployment = find_deployment(settings.state_dir)
    w3 = connect(
        settings.rpc_url or served_url(settings.state_dir),
        chain_id=deployment.chain_id,
        agreement=settings.rpc_agreement,
    )
    development = deployment.chain_id in DEV_CHAIN_IDS
    return Web3Reader(w3, deployment, "latest" if development else settings.finality).events()


def _problems(roots: Sequence[Link], source: ContentStore, made: Sequence[Block] = ()) -> list[str]:
    """Return a line for each block under `roots` that can't be had whole; `made` ones are had."""
    problems: list[str] = []
    at_hand = {block.link: block.data for block in made}

    def fetch(link: Link) -> bytes:
        if link in at_hand:
            return at_hand[link]
        try:
            return source.get(link.digest, link.codec)
        except (ContentMissing, ContentCorrupt) as error:
            problems.append(str(error))
            return encode_cbor(None)  # links nothing

    for _ in walk(roots, fetch):
        pass
    return problems


def _report(problems: Sequence[str]) -> None:
    """Print problems and end with exit code 1 if there are any that aren't mended."""
    for problem in problems:
        click.echo(problem, err=True)
    if not all(problem.startswith("repaired: ") for problem in problems):
        raise SystemExit(1)
