"""Slashes: what gold proves, what the receipt says, and what the vault takes."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache

from oracle.evidence.hashing import word
from oracle.evidence.results import SlashLeaf
from oracle.evidence.signing import address_of
from oracle.protocol.campaign import EpochResult
from tests.auditor.forge import ACCOUNT, resigned
from tests.auditor.frauds.catalogue import chain, quorum, run_of
from tests.auditor.paper import NAMES, STAKE, Log, PaperRun, addresses, event_log, transfer
from tests.support.world import BLOCK_SECONDS, START, TOKEN, key_of

GUESSER = address_of(key_of("guesser"))
TREASURY = addresses()["Treasury"]
THIEF = address_of(key_of("thief"))
VAULT = addresses()["StakeVault"]


@cache
def _slashing() -> PaperRun:
    """A run before its first cut, in which somebody answers all gold wrong."""
    run = PaperRun(
        gold_per_epoch=60,
        epochs=1,
        changes={"gold__share": 900_000, "gold__newcomerShare": 900_000},
    )
    people = [*NAMES[:3], "guesser"]
    for name in people:
        run.delegate(name)
    run.mine(
        event_log("StakeVault", "Staked", account=GUESSER, role=1, amount=TOKEN, staked=TOKEN),
        transfer(b"\0" * 20, GUESSER, TOKEN),
        transfer(GUESSER, VAULT, TOKEN),
    )
    run.pass_time(180)
    for _ in range(5):
        for name in NAMES[:3]:
            run.work(name, 10, lambda item: run.truth[item])
        run.work("guesser", 10, lambda item: (run.truth[item] + 1) % 10)
        run.pass_time(30)
    while run.ledger.epoch == 1:
        run.pass_time(60)
    return run


def _slashed() -> PaperRun:
    run = deepcopy(_slashing())
    assert run.cut().evidence.slashes
    return run


def executed(account: bytes, demanded: int, taken: int, epoch: int = 1) -> Log:
    values = {"campaign": 1, "account": account, "epoch": epoch}
    return event_log("ReceiptBoard", "SlashExecuted", **values, demanded=demanded, taken=taken)


def taken_from(account: bytes, demanded: int, taken: int, to: bytes = TREASURY) -> list[Log]:
    """What the vault logs of a slash."""
    values = {"account": account, "role": 1, "subject": word(1), "recipient": to}
    slashed = event_log("StakeVault", "Slashed", **values, demanded=demanded, taken=taken)
    token = addresses()["LabelToken"]
    credited = {"campaign": 1, "token": token, "pot": 1, "amount": taken}
    credits = [event_log("Treasury", "Credited", **credited)] if to == TREASURY else []
    return [transfer(VAULT, to, taken), slashed, *credits]


def slash_in_full() -> PaperRun:
    """An honest slash, executed: no fraud."""
    run = _slashed()
    due = run.results[0].evidence.slashes[0].cumulative
    taken = min(due, TOKEN)
    run.mine(*taken_from(GUESSER, due, taken), executed(GUESSER, due, taken))
    return run


# -- what the receipt says ---------------------------------------------------------------------


@quorum("SLASH-MISMATCH")
def without_gold(run: PaperRun, result: EpochResult) -> EpochResult:
    """A contributor is slashed though gold proves nothing."""
    return resigned(run, result, replace(result.evidence, slashes=(SlashLeaf(ACCOUNT, 7),)))


@run_of("SLASH-MISMATCH", "quorum")
def spared() -> PaperRun:
    """A contributor whom gold convicts is spared."""
    run = deepcopy(_slashing())

    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        assert result.evidence.slashes
        return resigned(run, result, replace(result.evidence, slashes=()))

    run.tamper = fraud
    run.cut()
    return run


@run_of("SLASH-MISMATCH", "quorum")
def above_the_cap() -> PaperRun:
    """A slash that gold proves is made greater than the manifest's cap."""
    run = deepcopy(_slashing())

    def fraud(run: PaperRun, result: EpochResult) -> EpochResult:
        more = tuple(
            replace(leaf, cumulative=run.manifest.slash_cap + 1) for leaf in result.evidence.slashes
        )
        return resigned(run, result, replace(result.evidence, slashes=more))

    run.tamper = fraud
    run.cut()
    return run


@quorum("LEAVES-ROOT")
def secret_slash(run: PaperRun, result: EpochResult) -> EpochResult:
    """The signed slash tree isn't that of the published slashes."""
    return replace(result, receipt=replace(result.receipt, slash_root=b"\x08" * 32))


# -- what the vault takes ----------------------------------------------------------------------


@chain("SLASH-EXCESS")
def without_root(run: PaperRun) -> None:
    """Stake is slashed for an epoch whose receipt slashes nobody."""
    operator = address_of(key_of("operator 1"))
    run.mine(*taken_from(operator, 4, 4), executed(operator, 4, 4))


@chain("SLASH-EXCESS")
def of_no_receipt(run: PaperRun) -> None:
    """Stake is slashed for an epoch that has no receipt."""
    operator = address_of(key_of("operator 1"))
    run.mine(*taken_from(operator, 4, 4), executed(operator, 4, 4, epoch=9))


@run_of("SLASH-EXCESS", "chain")
def above_the_leaf() -> PaperRun:
    """A slash that a receipt proves is executed twice."""
    run = slash_in_full()
    due = run.results[0].evidence.slashes[0].cumulative
    run.mine(executed(GUESSER, due, 0))
    return run


@run_of("SLASH-UNTRACED", "chain")
def into_a_pocket() -> PaperRun:
    """A slash that a receipt proves goes to somebody other than the treasury."""
    run = _slashed()
    due = run.results[0].evidence.slashes[0].cumulative
    taken = min(due, TOKEN)
    run.mine(*taken_from(GUESSER, due, taken, THIEF), executed(GUESSER, due, taken))
    return run


@chain("SLASH-UNTRACED")
def without_the_board(run: PaperRun) -> None:
    """The vault slashes an operator though no receipt demanded it."""
    values = {"role": 2, "subject": word(1), "recipient": TREASURY, "demanded": 4, "taken": 4}
    operator = address_of(key_of("operator 1"))
    slashed = event_log("StakeVault", "Slashed", account=operator, **values)
    run.mine(transfer(VAULT, TREASURY, 4), slashed)


# -- stake taken out ---------------------------------------------------------------------------


def _withdrawn(amount: int) -> list[Log]:
    operator = address_of(key_of("operator 1"))
    values = {"account": operator, "role": 2, "amount": amount}
    return [event_log("StakeVault", "Withdrawn", **values), transfer(VAULT, operator, amount)]


def _unbonding(run: PaperRun, amount: int) -> Log:
    operator = address_of(key_of("operator 1"))
    ready_at = START + (run.block + 1 - 6) * BLOCK_SECONDS
    ready_at += run.deployment.parameters.unbonding_seconds
    values = {"account": operator, "role": 2, "amount": amount, "ready_at": ready_at}
    return event_log("StakeVault", "UnbondingStarted", **values)


def withdraw_stake(run: PaperRun) -> None:
    """Stake unbonds and is withdrawn as it may be: no fraud."""
    run.mine(_unbonding(run, 4))
    run.pass_time(run.deployment.parameters.unbonding_seconds)
    run.mine(*_withdrawn(4))


@chain("STAKE-EXCESS")
def withdrawn_at_once(run: PaperRun) -> None:
    """An operator takes stake out without letting it unbond, out of a slash's reach."""
    run.mine(*_withdrawn(STAKE))


@chain("STAKE-EXCESS")
def withdrawn_too_early(run: PaperRun) -> None:
    """An operator takes stake out before it has unbonded."""
    run.mine(_unbonding(run, STAKE))
    run.pass_time(60)
    run.mine(*_withdrawn(STAKE))


@chain("STAKE-EXCESS")
def unbonding_shortened(run: PaperRun) -> None:
    """The vault promises an operator's stake for an earlier time than it may."""
    log = _unbonding(run, 4)
    log["data"] = log["data"][:66] + format(START, "064x")
    run.mine(log)


@chain("INFLOW-MISSING")
def stake_paid_by_another(run: PaperRun) -> None:
    """Somebody's tokens are counted as an operator's stake."""
    operator = address_of(key_of("operator 1"))
    values = {"account": operator, "role": 2, "amount": 4, "staked": STAKE + 4}
    staked = event_log("StakeVault", "Staked", **values)
    run.mine(transfer(b"\0" * 20, THIEF, 4), transfer(THIEF, VAULT, 4), staked)


@chain("SLASH-UNTRACED")
def more_demanded_of_the_vault(run: PaperRun) -> None:
    """The vault is asked for more stake than the board's slash says."""
    operator = address_of(key_of("operator 1"))
    values = {"role": 2, "subject": word(1), "recipient": TREASURY, "demanded": 9, "taken": 0}
    run.mine(event_log("StakeVault", "Slashed", account=operator, **values))


@chain("STAKE-EXCESS")
def stake_of_others(run: PaperRun) -> None:
    """An operator takes out more than its own stake."""
    run.mine(_unbonding(run, STAKE + 5))
    run.pass_time(run.deployment.parameters.unbonding_seconds)
    run.mine(*_withdrawn(STAKE + 5))


@chain("CONSERVATION")
def stake_out_of_nothing(run: PaperRun) -> None:
    """The vault counts more stake for an operator than it brought in."""
    operator = address_of(key_of("operator 1"))
    values = {"account": operator, "role": 2, "amount": 4, "staked": STAKE + 40}
    staked = event_log("StakeVault", "Staked", **values)
    run.mine(transfer(b"\0" * 20, operator, 4), transfer(operator, VAULT, 4), staked)
