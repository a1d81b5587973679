"""What leaves the server: token amounts for people, and JSON for the page's script.

In JSON, amounts are decimal strings of base units and bytes are 0x-prefixed hex.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Flask, current_app, url_for
from markupsafe import Markup, escape

from oracle.evidence.signing import checksum
from oracle.ports import (
    CampaignView,
    ContributorStatus,
    Earnings,
    LoggedEntry,
    Network,
    OperatorsView,
)
from webapp.markdown import markdown

_SHOWN_DECIMALS = 6


def install(app: Flask) -> None:
    """Register the template filters."""
    app.add_template_filter(tokens)
    app.add_template_filter(about)
    app.add_template_filter(duration)
    app.add_template_filter(percent)
    app.add_template_filter(paragraphs)
    app.add_template_filter(sentence)
    app.add_template_filter(moment)
    app.add_template_filter(short)
    app.add_template_filter(checksum)
    app.add_template_filter(markdown)
    app.add_template_global(script)
    app.add_template_global(style)


def tokens(amount: int, network: Network) -> str:
    """Write base units as tokens, exact to six decimals and cut, never rounded up: `0.05 LBL`."""
    whole, rest = divmod(amount, 10**network.decimals)
    digits = (
        str(rest).zfill(network.decimals)[:_SHOWN_DECIMALS].rstrip("0") if network.decimals else ""
    )
    return f"{whole:,}{'.' + digits if digits else ''} {network.symbol}"


def about(amount: int, network: Network) -> str:
    """Write an estimate in base units to two significant digits, cut: `about 0.042 LBL`."""
    unit = 10 ** max(0, len(str(amount)) - 2)
    return f"about {tokens(amount // unit * unit, network)}"


def duration(seconds: int) -> str:
    """Write a time per item: `5 s`, `2 min`."""
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def percent(ppm: int) -> str:
    """Write a share in ppm as a percentage, with at most one decimal: `30 %`."""
    tenths = ppm // 1000
    return f"{tenths // 10}.{tenths % 10} %" if tenths % 10 else f"{tenths // 10} %"


def paragraphs(text: str) -> Markup:
    """Write plain text as escaped paragraphs, parted at blank lines."""
    parts = [part.strip() for part in text.replace("\r\n", "\n").split("\n\n")]
    return Markup("").join(Markup("<p>{}</p>").format(escape(part)) for part in parts if part)


def sentence(text: str) -> str:
    """Write an error's message, which begins in lower case, as a sentence."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def moment(seconds: int) -> Markup:
    """Write a time in UTC, to the minute, as machines read it too."""
    then = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        then.strftime("%Y-%m-%dT%H:%M:%SZ"), then.strftime("%-d %b %Y, %H:%M UTC")
    )


def short(address: bytes) -> str:
    """Write an address so that people recognise it: `0x12Ab…89eF`."""
    text = checksum(address)
    return f"{text[:6]}…{text[-4:]}"


def script(name: str) -> Markup:
    """Write the element that loads one of the page's scripts, allowed by this answer's policy."""
    return Markup('<script src="{}" nonce="{}" defer></script>').format(
        url_for("static", filename=name), current_app.jinja_env.globals["csp_nonce"]()
    )


def style(name: str) -> Markup:
    """Write the element that loads one of the page's style sheets."""
    return Markup('<link rel="stylesheet" href="{}">').format(url_for("static", filename=name))


def network_json(network: Network) -> dict[str, Any]:
    """Return what the script must know of the chain."""
    return {
        "chainId": network.chain_id,
        "name": network.name,
        "development": network.development,
        "genesis": _hex(network.genesis),
        "escrow": _hex(network.escrow),
        "token": _hex(network.token),
        "symbol": network.symbol,
        "decimals": network.decimals,
    }


def campaign_json(campaign: CampaignView) -> dict[str, Any]:
    """Return what the script needs to sign for a campaign and to draw its buttons."""
    return {
        "number": campaign.number,
        "title": campaign.title,
        "task": dict(campaign.task),
        "guideline": _hex(campaign.guideline),
        "consent": _hex(campaign.consent),
        "gateway": _hex(campaign.gateway),
        "operatorKeys": [_hex(key) for key in campaign.operator_keys],
        "secondsPerItem": campaign.seconds_per_item,
        "itemCount": campaign.item_count,
        "itemsClosed": campaign.items_closed,
        "accepting": campaign.accepting,
        "reward": str(campaign.reward),
        "expectedReward": str(campaign.expected_reward),
    }


def operators_json(operators: OperatorsView, urls: Mapping[bytes, str]) -> dict[str, Any]:
    """Return whom the script asks besides the gateway: those of the set whose URL is known."""
    return {
        "board": _hex(operators.board),
        "count": len(operators.members),
        "threshold": operators.threshold,
        "begun": operators.begun,
        "epochSeconds": operators.epoch_seconds,
        "reached": [
            {"address": _hex(one), "url": urls[one]} for one in operators.members if one in urls
        ],
    }


def logged_json(logged: LoggedEntry) -> dict[str, Any]:
    """Return a log row for the script to check."""
    return {
        "position": logged.row.position,
        "entry": _hex(logged.row.data),
        "before": _hex(logged.before),
        "head": _hex(logged.row.head),
        "signature": _hex(logged.row.signature),
    }


def status_json(status: ContributorStatus, campaign: CampaignView) -> dict[str, Any]:
    """Return a contributor's standing, and how far the campaign is."""
    return {
        "generation": status.generation,
        "sessionKeys": [_hex(key) for key in status.session_keys],
        "submitted": status.submitted,
        "pending": status.pending,
        "accepted": status.accepted,
        "earned": str(status.earned),
        "claimed": str(status.claimed),
        "balance": str(status.balance),
        "reward": str(status.reward),
        "expectedReward": str(status.expected_reward),
        "covered": status.covered,
        "itemCount": campaign.item_count,
        "itemsClosed": campaign.items_closed,
        "accepting": campaign.accepting,
    }


def earnings_json(earnings: Earnings) -> dict[str, Any]:
    """Return what somebody earned, as the page of earnings shows it live."""
    return {
        "balance": str(earnings.balance),
        "claimable": str(earnings.claimable),
        "locked": str(earnings.locked),
        "campaigns": [
            {
                "campaign": one.campaign,
                "pending": one.pending,
                "expected": str(one.expected),
                "accepted": one.accepted,
                "submitted": one.submitted,
                "locked": str(one.locked),
                "lockedUntil": one.locked_until,
                "claimable": str(one.claimable),
                "earned": str(one.earned),
                "readable": one.readable,
            }
            for one in earnings.campaigns
        ],
    }


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
