"""Where one can go: the links at the top of every page, and a campaign's own."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, request, url_for
from markupsafe import Markup

from oracle.community.learning import Edition
from oracle.evidence.signing import checksum
from oracle.ports import CampaignView
from webapp.receiving import community, visitor

_OF_CAMPAIGNS = {"campaigns", "guidelines", "proposals", "training", "inbox", "appeals", "ratings"}
# Endpoint, words, and the blueprints whose pages belong to it.
MAIN = (
    ("campaigns.index", "Find work", _OF_CAMPAIGNS),
    ("earnings.show", "Earn", {"earnings"}),
    ("growth.show", "Progress", {"growth"}),
    ("tutorial.index", "Learn", {"tutorial"}),
    ("account.show", "Account", {"account"}),
)


@dataclass(frozen=True)
class Place:
    """A link of the navigation; `here` marks the one whose page this is."""

    address: str
    words: str
    here: bool


def install(app: Flask) -> None:
    """Give every template who is signed in, and where one can go."""

    @app.context_processor
    def shared() -> dict[str, object]:
        return {
            "contributor": visitor(),
            "places": _places(),
            "campaign_places": campaign_places,
            "newest_guidelines": newest_guidelines,
            "as_account": as_account,
        }


def campaign_places(campaign: CampaignView) -> list[Place]:
    """Return the pages of one campaign; training and exam where its course has them, appeals for
    its experts."""
    course = community().learning.course(campaign.number)
    endpoints = [("campaigns.show", "Label"), ("guidelines.show", "Guidelines")]
    if course is not None and course.training:
        endpoints.append(("training.show", "Training"))
    if course is not None and course.exam is not None:
        endpoints.append(("training.exam", "Exam"))
    endpoints.append(("inbox.show", "Questions"))
    if community().learning.is_expert(campaign.number, visitor()):
        endpoints.append(("appeals.show", "Appeals"))
    addresses = [
        (url_for(endpoint, number=campaign.number), words) for endpoint, words in endpoints
    ]
    return [Place(address, words, address == request.path) for address, words in addresses]


def newest_guidelines(campaign: CampaignView) -> Edition:
    """Return the guidelines that hold."""
    return community().learning.editions(campaign.number, campaign.guideline_text)[0]


def as_account() -> Markup:
    """Write the field by which a form says whom it was made for (`signed_in` compares)."""
    contributor = visitor()
    field = Markup('<input type="hidden" name="account" value="{}">')
    return field.format(checksum(contributor)) if contributor is not None else Markup("")


def _places() -> list[Place]:
    return [
        Place(url_for(endpoint), words, request.blueprint in blueprints)
        for endpoint, words, blueprints in MAIN
    ]
