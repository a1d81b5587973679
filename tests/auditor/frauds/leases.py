"""Leases and draws: what the gateway hands out. Its bond pays the labels of a lease that it should
not have given."""

from __future__ import annotations

from dataclasses import replace

from oracle.evidence import entries
from oracle.evidence.signing import address_of
from tests.auditor.frauds.catalogue import gateway, run_of, stage
from tests.auditor.paper import NAMES, PaperRun
from tests.support.world import TOKEN, key_of

EXPERT = address_of(key_of("expert"))


def lease(run: PaperRun, name: str = "expert", **changes: object) -> entries.Lease:
    """The lease that an honest gateway would give now, and how it differs."""
    account = address_of(key_of(name))
    items = (run.ledger.draw(account)[0],) if "items" not in changes else ()
    entry = entries.Lease(account, run.ledger.reward(), run.ledger.latest_expiry(), items)
    return replace(entry, **changes)  # type: ignore[arg-type]


@gateway("LEASE-UNDELEGATED")
def to_a_stranger(run: PaperRun) -> entries.Entry:
    """A lease goes to somebody who never delegated."""
    return lease(run, contributor=address_of(key_of("stranger")))


@gateway("LEASE-UNDELEGATED")
def to_an_expired_delegation(run: PaperRun) -> entries.Entry:
    """A lease goes to somebody whose delegation has expired."""
    run.delegate("late", valid_until=run.ledger.anchor.timestamp + 60)
    run.pass_time(180)
    return lease(run, contributor=address_of(key_of("late")))


@gateway("LEASE-ITEMS")
def of_nothing(run: PaperRun) -> entries.Entry:
    """A lease names no items."""
    return lease(run, items=())


@gateway("LEASE-ITEMS")
def of_an_unknown_item(run: PaperRun) -> entries.Entry:
    """A lease names an item that the campaign hasn't."""
    return lease(run, items=(4_000_000_000,))


@gateway("LEASE-REPEATED")
def again(run: PaperRun) -> entries.Entry:
    """A contributor is given an item that they had before."""
    return lease(run, items=(next(item for who, item in run.ledger.leases if who == EXPERT),))


@gateway("LEASE-REWARD", stands=True)
def at_another_reward(run: PaperRun) -> entries.Entry:
    """A lease promises more than the epoch's reward."""
    return lease(run, reward=run.ledger.reward() + 1)


@gateway("LEASE-REWARD", stands=True)
def at_a_hundred_rewards(run: PaperRun) -> None:
    """A lease promises a friend far more than any reward; they label, and the bond pays."""
    entry = lease(run, reward=100 * run.manifest.reward)
    run.append(entry)
    run.submit("expert", list(entry.items), [run.truth[item] for item in entry.items])


@gateway("LEASE-EXPIRY", stands=True)
def for_too_long(run: PaperRun) -> entries.Entry:
    """A lease ends later than the rules allow."""
    return lease(run, expiry=run.ledger.latest_expiry() + 1)


@gateway("LEASE-EARLY", stands=True)
def to_a_newcomer_at_once(run: PaperRun) -> entries.Entry:
    """A lease is drawn as soon as a wallet delegates, so that wallets can be tried out."""
    run.delegate("late")
    return lease(run, contributor=address_of(key_of("late")))


@gateway("LEASE-TOO-MANY", stands=True)
def of_too_many(run: PaperRun) -> entries.Entry:
    """A newcomer holds more items at once than the tier allows."""
    free = [item for item in run.truth if run.ledger.eligible(EXPERT, item)]
    return lease(run, items=tuple(free[:11]))


@gateway("LEASE-INELIGIBLE", stands=True)
def of_a_full_item(run: PaperRun) -> entries.Entry:
    """An item that has all its labels is leased once more."""
    full = run.manifest.redundancy_max
    for _ in range(12):
        for name in NAMES:
            run.work(name, 5, run.answer)
        run.delegate("late")
        if any(count >= full for count in run.ledger.slots.values()):
            break
        run.pass_time(30)
    run.pass_time(120)
    account = address_of(key_of("late"))
    item = next(item for item, count in run.ledger.slots.items() if count >= full)
    return lease(run, contributor=account, items=(item,))


@run_of("LEASE-UNBACKED", "gateway")
def beyond_the_cap() -> PaperRun:
    """A lease is given when cap, bond and budget can pay no more."""
    run = PaperRun(epoch_cap=TOKEN // 20, bond=TOKEN)
    for name in NAMES:
        run.delegate(name)
    run.pass_time(180)
    while run.ledger.backed_items():
        assert sum(run.work(name, 1, run.answer) for name in NAMES)
    item = run.ledger.draw(EXPERT)[0]
    entry = entries.Lease(EXPERT, run.ledger.reward(), run.ledger.latest_expiry(), (item,))
    run.append(entry)
    while run.ledger.epoch == 1:
        run.pass_time(60)
    run.cut()
    return run


@run_of("LEASE-AFTER-CLOSE", "gateway")
def after_close() -> PaperRun:
    """A lease is given after the requester closed the campaign."""
    run = stage("labeling")
    run.close()
    run.pass_time(70)
    run.append(lease(run))
    run.pass_time(run.manifest.lease_seconds + 60)
    run.cut(final=True)
    return run


@gateway("DRAW", stands=True)
def steered_past_the_draw(run: PaperRun) -> entries.Entry:
    """A friend is given an item that the draw doesn't name."""
    run.pass_time(60)
    # the nearest that the draw doesn't name could stand for gold that isn't opened yet
    named: list[int] = []
    for _ in range(3):
        named += run.ledger.draw(EXPERT, taken=named)
    return lease(run, items=(named[-1],))


@gateway("DRAW", stands=True)
def spared_from_gold(run: PaperRun) -> entries.Entry:
    """The draw names gold, and the gateway hands out an ordinary item."""
    gold = {item for batch in run.gold for item in batch}
    name = _whose_draw(run, gold, wanted=True)
    account = address_of(key_of(name))
    item = next(
        item for item in run.truth if item not in gold and run.ledger.eligible(account, item)
    )
    return lease(run, name, items=(item,))


@gateway("DRAW", stands=True)
def gold_out_of_turn(run: PaperRun) -> entries.Entry:
    """The draw names ordinary items, and the gateway hands out gold, to make somebody fail."""
    gold = {item for batch in run.gold for item in batch}
    name = _whose_draw(run, gold, wanted=False)
    account = address_of(key_of(name))
    item = next(item for item in run.gold[0] if run.ledger.eligible(account, item))
    return lease(run, name, items=(item,))


def _whose_draw(run: PaperRun, gold: set[int], *, wanted: bool) -> str:
    """The first contributor whose next draw names gold, or doesn't."""
    for _ in range(20):
        for name in NAMES:
            account = address_of(key_of(name))
            drawn = run.ledger.draw(account)
            some_gold = any(run.ledger.eligible(account, item) for item in run.gold[0])
            if drawn and (drawn[0] in gold) == wanted and some_gold:
                return name
        run.pass_time(60)
    raise AssertionError("no draw is like that")
