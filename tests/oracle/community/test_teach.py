"""`ddlp campaign teach`."""

from __future__ import annotations

from pathlib import Path

import click.testing
import pytest

from oracle.cli import cli
from oracle.community.community import Community
from oracle.content.local import LocalContent
from oracle.errors import InputError
from oracle.requester.commands import campaign
from oracle.store.database import open_database
from oracle.store.labels import SqlLabelStore
from tests.oracle.community.conftest import SOMEBODY

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "course.yaml"


def test_teach__example__is_the_campaigns_course(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDLP_STATE_DIR", str(tmp_path))
    engine = open_database(f"sqlite:///{tmp_path / 'ddlp.sqlite'}")
    try:
        store = SqlLabelStore(engine)
        store.register(2, chain_id=1, escrow=b"\x05" * 20, manifest=b"\x06" * 32, now=1)
        learning = Community(engine, LocalContent(tmp_path / "content")).learning
        run = click.testing.CliRunner()
        refused = run.invoke(campaign, ["teach", "3", str(EXAMPLE)])
        assert isinstance(refused.exception, InputError)
        assert "isn't served from this database" in str(refused.exception)
        assert learning.course(3) is None

        for _ in range(2):
            taught = run.invoke(cli, ["campaign", "teach", "2", str(EXAMPLE)])
            assert taught.exit_code == 0, taught.output
            assert taught.output == (
                "campaign 2: version 2, 3 training questions, an exam of 2 questions\n"
            )
        assert learning.progress(2, SOMEBODY) == (0, 3)
        assert learning.standing(2, SOMEBODY).left == 3
    finally:
        engine.dispose()
