"""`ddlp serve`: devnet, contracts, gateway, operators and page in one process, at one address."""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oracle.bootstrap import Keys, Platform, establish_devnet
from oracle.chain.development import DEPLOYMENT_FILE, NODE_FILE
from oracle.chain.devnet import Devnet
from oracle.chain.wallets import DevWallets
from oracle.config import Settings
from oracle.content.stores import open_content
from oracle.errors import ConfigError, DDLPError
from oracle.evidence.codec import encode_json
from oracle.evidence.signing import address_of
from oracle.operations.logs import start_logging
from oracle.operations.loop import Loop
from oracle.operations.metrics import Metrics
from oracle.operations.monitor import monitoring
from oracle.ports import ContentStore
from oracle.replay.companions import Companions
from oracle.replay.digit_course import digit_course
from oracle.replay.digits import TOKEN, digit_campaign, digit_terms, digit_truth
from oracle.replay.showcase import SHOWCASES, Showcase

log = logging.getLogger(__name__)

BLOCK_SECONDS = 1
COMPANIONS = 4
SHOWCASE_COMPANIONS = 2  # with a visitor, as many as an item of counted answers needs

# Short epochs, so that somebody who tries the page sees pay within minutes.
DIGITS = {
    "epochSeconds": 120,
    "leaseSeconds": 110,
    "graceSeconds": 2,
    "anchorBlocks": 2,
}
# Longer ones for the other task types, which take longer to label, and whose gold lasts two epochs.
SHOWCASE = {**DIGITS, "epochSeconds": 600, "leaseSeconds": 580}


@dataclass(frozen=True)
class Served:
    """What `local_platform` runs: the platform, the loop that steps it, the loop's metrics."""

    platform: Platform
    loop: Loop
    metrics: Metrics


@contextmanager
def local_platform(
    state_dir: Path,
    *,
    epoch_seconds: int | None = None,
    companions: int = 0,
    showcase: bool = False,
    content: ContentStore | None = None,
    on_failure: Callable[[], None] = lambda: None,
) -> Iterator[Served]:
    """Run a devnet with a platform and a digit campaign to label; the operators' loop runs inside.

    `companions` simulated contributors label beside whoever comes; with `showcase` there is a small
    campaign of each further task type, too, with companions where answers are counted. `content` is
    in `state_dir` by default. A folder used before goes on where it stood, also after a kill.
    `on_failure` is called, by the loop's thread, when the loop gives up, since the chain fails
    again and again; the block's end then raises why. A single campaign that fails is left alone for
    a while instead.
    """
    _check_folder(state_dir)
    with Devnet(state_dir / "chain", block_seconds=BLOCK_SECONDS) as devnet:
        keys = Keys.of_devnet()
        platform = Platform(
            devnet.w3,
            establish_devnet(devnet, keys),
            keys=keys,
            state_dir=state_dir,
            finality="finalized",
            content=content,
            finish_first=True,  # so that what a visitor labels is judged soon
        )
        (state_dir / NODE_FILE).write_text(json.dumps({"url": devnet.url}))
        _wait_until_final(devnet, platform)
        platform.discover()
        own = own_campaigns(platform)
        for campaign in sorted(own.keys() - set(platform.served())):
            log.warning(
                "campaign %d isn't served: restore secrets/%s.json in %s from a backup",
                campaign,
                own[campaign].hex(),
                state_dir,
            )
        if not own:
            number = create_digit_campaign(platform, epoch_seconds=epoch_seconds)
            expert = address_of(bytes(DevWallets(platform.deployment.chain_id).requester().key))
            course = digit_course(platform.content, (expert,))
            platform.community.learning.publish(number, course)
            for one in SHOWCASES if showcase else ():
                create_showcase(platform, one)
            _wait_until_final(devnet, platform)
            platform.discover()
        _open_all(platform)
        metrics = Metrics()
        loop = Loop(
            platform, metrics, before=lambda: _checkpoint(devnet, platform), on_failure=on_failure
        )
        digit_scans = min(
            own_campaigns(platform)
        )  # the first; whatever came later is a requester's
        served = digit_scans in platform.gateways()
        truth = digit_truth()
        crowds = [
            Companions(
                platform,
                digit_scans,
                companions if served else 0,
                truth=lambda name: truth[int(name.removeprefix("digit-"))],
            )
        ]
        if companions:
            crowds += showcase_companions(platform)
        loop.start()
        for crowd in crowds:
            crowd.start()
        try:
            yield Served(platform, loop, metrics)
        finally:
            for crowd in crowds:
                crowd.stop()
            loop.stop()
            (state_dir / NODE_FILE).unlink(missing_ok=True)
            if loop.failure is not None:
                raise loop.failure


def own_campaigns(platform: Platform) -> dict[int, bytes]:
    """Return the manifest digests of the campaigns that name this process' gateway key."""
    gateway = address_of(platform.keys.gateway)
    created = (
        event.arguments for event in platform.reader.events() if event.name == "CampaignCreated"
    )
    return {one["campaign"]: one["manifest"] for one in created if one["gateway"] == gateway}


def create_digit_campaign(platform: Platform, *, epoch_seconds: int | None = None) -> int:
    """Create a campaign of digit scans that the first development requester pays for."""
    terms = digit_terms(**DIGITS)
    if epoch_seconds is not None:
        terms["epochSeconds"] = epoch_seconds
    files, _ = digit_campaign(
        terms, items=600, gold=120, gold_epochs=30, secret=secrets.token_bytes(32)
    )
    requester = DevWallets(platform.deployment.chain_id).requester()
    return platform.create_campaign(
        files,
        requester,
        budget=10_000 * TOKEN,
        bond=1_000 * TOKEN,
        epoch_cap=1_000 * TOKEN,
        fee_bps=500,
    )


def create_showcase(platform: Platform, showcase: Showcase) -> int:
    """Create a small campaign of one further task type, paid for as the digit scans are."""
    return platform.create_campaign(
        showcase.build(secrets.token_bytes(32), **SHOWCASE),
        DevWallets(platform.deployment.chain_id).requester(),
        budget=1_000 * TOKEN,
        bond=100 * TOKEN,
        epoch_cap=100 * TOKEN,
        fee_bps=500,
    )


def showcase_companions(platform: Platform) -> list[Companions]:
    """Companions for each showcase served whose answers are counted: nobody agrees alone."""
    by_title = {one.title: one for one in SHOWCASES}
    crowds: list[Companions] = []
    for campaign, gateway in sorted(platform.gateways().items()):
        showcase = by_title.get(gateway.manifest.document["title"])
        if showcase is None or gateway.manifest.task.measured:
            continue
        numbers = gateway.manifest.class_numbers

        def truth(
            name: str, showcase: Showcase = showcase, numbers: Mapping[bytes, int] = numbers
        ) -> int:
            return numbers[encode_json(showcase.answer(name))]

        first = COMPANIONS + SHOWCASE_COMPANIONS * len(crowds)
        crowds.append(Companions(platform, campaign, SHOWCASE_COMPANIONS, truth=truth, first=first))
    return crowds


def serve(settings: Settings, *, companions: int = COMPANIONS) -> None:
    """Serve page, gateway and operators until a signal; on a devnet of its own without an RPC URL.

    Raises ConfigError where a remote chain is named without the keys it needs.
    """
    from webapp import Settings as PageSettings
    from webapp import create_app
    from webapp.server import serve as serve_page

    if settings.rpc_url is not None:
        raise ConfigError("serve runs a development chain of its own: unset DDLP_RPC_URL")
    start_logging(settings.log_format, settings.secret_texts)
    port = _port(settings.host, settings.port)
    origins = tuple(f"http://{host}:{port}" for host in dict.fromkeys((settings.host, "localhost")))
    with local_platform(
        settings.state_dir,
        companions=companions,
        showcase=True,
        content=open_content(settings),
        on_failure=_end_this_process,
    ) as served:
        page = PageSettings(
            origins=origins,
            secret_key=_cookie_key(settings),
            rates=settings.rates,
            content_gateway=settings.content_gateway,
        )
        desk = served.platform.desk(name="Local devnet", paused=lambda: served.loop.paused)
        with monitoring(settings, served.metrics, served.loop, served.platform.checks):
            print(
                f"DDLP is at {origins[0]}  (Ctrl-C ends it; state in {settings.state_dir})",
                flush=True,
            )
            serve_page(create_app(desk, served.platform.community, page), settings.host, port)


def _open_all(platform: Platform) -> None:
    """Open every gateway now, so that the page shows all; one that can't be waits for the loop."""
    for campaign in platform.served():
        try:
            platform.gateway(campaign)
        except DDLPError as error:
            log.warning("campaign %d can't be opened: %s", campaign, error)


def _checkpoint(devnet: Devnet, platform: Platform) -> bool:
    """Keep the chain; say whether all that is final is kept.

    Only what a kill can't take back is followed into the log: "finalized" is two blocks behind, and
    a burst of transactions may have outrun the checkpoint.
    """
    newest = devnet.block_number()
    devnet.checkpoint()
    return platform.reader.head().number <= newest


def _end_this_process() -> None:
    """Ask for the same orderly end as Ctrl-C does."""
    os.kill(os.getpid(), signal.SIGTERM)


def _check_folder(state_dir: Path) -> None:
    """Make the state folder; ConfigError where it holds a chain without its log, or the reverse.

    A log begun anew beside an old chain would fork the one whose heads are signed already.
    """
    chain, log_ = state_dir / "chain" / DEPLOYMENT_FILE, state_dir / "ddlp.sqlite"
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        there, gone = (chain, log_) if chain.exists() else (log_, chain)
        if there.exists() and not gone.exists():
            raise ConfigError(
                f"{state_dir} holds {there.relative_to(state_dir)} without "
                f"{gone.relative_to(state_dir)}: restore it from a backup, or remove the folder "
                "to start anew"
            )
    except OSError as error:
        raise ConfigError(
            f"{state_dir} can't be used ({error.strerror}): set DDLP_STATE_DIR to another folder"
        ) from error


def _port(host: str, port: int) -> int:
    """Return the port, a free one for 0; ConfigError where it is taken, before anything starts.

    The page must know its address beforehand: it accepts writes from its own origin alone.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        raise ConfigError(
            f"can't listen at {host}:{port} ({error.strerror}): choose another address or port"
        ) from error


def _cookie_key(settings: Settings) -> bytes:
    """The key that signs session cookies: as configured, else one kept in the state folder."""
    if settings.web_secret is not None:
        return settings.web_secret.encode()
    path = settings.state_dir / "cookie.key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(32))
    return path.read_bytes()


def _wait_until_final(devnet: Devnet, platform: Platform) -> None:
    """Mine until what is deployed counts as final, so that the first look finds it."""
    newest = devnet.block_number()
    while platform.reader.head().number < newest:
        devnet.mine(2)
