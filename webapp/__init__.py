"""Web application: create_app, a blueprint per noun, thin views.

The page holds no rule: it shows what a `LabelingDesk` (oracle/ports.py) and the `Community` of the
people here tell it, and hands over what browsers sign.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Flask, jsonify
from flask.typing import ResponseReturnValue

from oracle.community.community import Community
from oracle.ports import LabelingDesk
from webapp import (
    account,
    appeals,
    campaigns,
    claims,
    compressing,
    earnings,
    growth,
    guidelines,
    inbox,
    labels,
    navigation,
    presenting,
    privacy,
    problems,
    proposals,
    ratings,
    security,
    session,
    training,
    tutorial,
)
from webapp.receiving import BoundedJson, BoundedNumber
from webapp.settings import Settings
from webapp.signing_in import ChallengeBook

__all__ = ["Settings", "create_app"]


def create_app(
    desk: LabelingDesk,
    community: Community,
    settings: Settings,
    *,
    now: Callable[[], float] = time.time,
) -> Flask:
    """Return the application for `desk` and `community`; `now` gives Unix seconds, for tests of
    expiry."""
    app = Flask(__name__)
    app.json = BoundedJson(app)
    app.url_map.converters["int"] = BoundedNumber
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=settings.max_body,
        SESSION_COOKIE_NAME="ddlp_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=all(origin.startswith("https:") for origin in settings.origins),
        PERMANENT_SESSION_LIFETIME=timedelta(seconds=community.session_seconds),
        # A session ends when the database says, however often it is used: a cookie signed anew with
        # every answer would last no longer.
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    app.extensions["desk"], app.extensions["community"] = desk, community
    app.extensions["settings"] = settings
    app.extensions["challenges"] = ChallengeBook(settings.sign_in_seconds, now)
    security.install(app, settings, now)
    problems.install(app)
    presenting.install(app)
    navigation.install(app)
    compressing.install(app)
    for blueprint in (
        campaigns.blueprint,
        session.blueprint,
        labels.blueprint,
        claims.blueprint,
        earnings.blueprint,
        appeals.blueprint,
        account.blueprint,
        privacy.blueprint,
        tutorial.blueprint,
        guidelines.blueprint,
        training.blueprint,
        inbox.blueprint,
        growth.blueprint,
        ratings.blueprint,
        proposals.blueprint,
    ):
        app.register_blueprint(blueprint)

    @app.get("/healthz")
    def health() -> ResponseReturnValue:
        """Answer 200 while the chain can be read; a ChainError becomes 503."""
        network = desk.network()
        body: dict[str, Any] = {"status": "ok", "chainId": network.chain_id}
        return jsonify(body)

    return app
