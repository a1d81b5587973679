"""Everybody and everything on stage: the system, five tokens of different manners, the actors."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from eth_abi import encode
from eth_account import Account
from eth_utils import keccak

from tests.invariants.books import CONTRACTS, Books, Token
from tests.support.revm import Revm
from tests.support.system import CONTRIBUTOR, OPERATOR, UNIT, System, boa, load

PURSE = 10**6 * UNIT  # what everybody begins with of every token: nobody runs out
START = 2_000_000_000  # Unix seconds; long after the deployment
STAKE = 1_000  # base units that each contributor begins with


class SmallSystem(System):
    """Four receipts may be open at once, and a member's least stake backs exactly these."""

    MAX_OPEN = 4
    RECEIPT_STAKE = System.MIN_STAKE // MAX_OPEN
    CHALLENGE_BOND = 1_001  # odd: halves differ


class Scene:
    """One deployment; every run starts from it and rolls its own changes back.

    Two requesters, a sponsor who pledges bonds, four contributors, a thief for corrupt quorums,
    five operators of whom four sit in the first set, a court that may lock, slash and ban, and a
    stranger.
    """

    def __init__(self) -> None:
        self.system = SmallSystem(seated=False)
        self.system_contracts = ["escrow", "vault", "board", "treasury"]
        self.governance = self.system.governance
        self.names: dict[str, str] = {}  # address -> what a journal calls it
        self.requesters = self._accounts("requester", 2)
        self.contributors = self._accounts("contributor", 4)
        [self.sponsor] = self._accounts("sponsor", 1)
        [self.thief] = self._accounts("thief", 1)
        [self.court] = self._accounts("court", 1)
        [self.stranger] = self._accounts("stranger", 1)
        self.gateway = Account.from_key(keccak(text="gateway of all"))
        keys = [Account.from_key(keccak(text=f"seat {i}")) for i in range(5)]
        self.operators = sorted(keys, key=lambda key: int(key.address, 16))
        self.names |= {key.address: f"operator {i}" for i, key in enumerate(self.operators)}
        self.people = list(self.names)

        with boa.env.prank(self.governance):
            self.tokens: dict[str, Any] = {
                "label": self.system.token,
                "fee": load("mocks/FeeToken"),
                "false": load("mocks/FalseToken"),
                "reentrant": load("mocks/ReentrantToken"),
                "blocking": load("mocks/BlockingToken"),
            }
            self.system.vault.register(self.court, True)
            for token in self.tokens.values():
                self.system.escrow.set_token(token.address, True)
        for token in self.tokens.values():
            self._endow(token)
        self._take_positions()

        contracts = {getattr(self.system, name).address: name for name in CONTRACTS}
        self.holders = {account: account for account in self.people} | contracts
        self.names |= contracts
        self.names |= {token.address: f"{name} token" for name, token in self.tokens.items()}
        self.names |= {
            self.governance: "governance",
            self.system.guardian: "guardian",
            self.system.arbitrator.address: "arbitrator",
            self.gateway.address: "gateway",
        }
        self.slots = {name: self._slots(token) for name, token in self.tokens.items()}
        self._books = self._open()
        self.revm = Revm(boa.env, list(self.names))
        # titanoboa's clock is the machine's; from here on every run has the same
        self.revm.patch.timestamp = START

    def books(self) -> Books:
        """The books as every run finds them."""
        return deepcopy(self._books)

    def holding(self, token: str, slot: int) -> int:
        """A balance, read from the token's storage: a hundred times cheaper than by a call."""
        return int(boa.env.get_storage(self.tokens[token].address, slot))

    def reentries(self) -> int:
        """How often the reentrant token's callbacks succeeded."""
        token = self.tokens["reentrant"]
        slot = token.compiler_data.storage_layout["storage_layout"]["successes"]["slot"]
        return int(boa.env.get_storage(token.address, slot))

    # ---------------------------------------------------------------- set-up

    def _accounts(self, role: str, count: int) -> list[str]:
        accounts = [boa.env.generate_address(role) for _ in range(count)]
        self.names |= {
            account: f"{role} {i}" if count > 1 else role for i, account in enumerate(accounts)
        }
        return accounts

    def _endow(self, token: Any) -> None:
        for account in self.people:
            boa.env.set_balance(account, UNIT)
            token.mint(account, PURSE, sender=self.governance)
            for spender in (self.system.escrow, self.system.vault, self.system.board):
                token.approve(spender.address, 2**256 - 1, sender=account)

    def _take_positions(self) -> None:
        vault = self.system.vault
        for key in self.operators:
            vault.join(OPERATOR, keccak(text=key.address), sender=key.address)
            vault.stake(OPERATOR, 2 * System.MIN_STAKE, sender=key.address)
        for account in self.contributors:
            vault.stake(CONTRIBUTOR, STAKE, sender=account)
        self.system.set_operators([key.address for key in self.operators[:4]], 3)

    def _slots(self, token: Any) -> dict[int, str]:
        """Storage slot of each balance -> its holder's name in the books."""
        layout = token.compiler_data.storage_layout["storage_layout"]
        base = layout["erc20"]["balanceOf"]["slot"]
        slots = {}
        for address, holder in self.holders.items():
            slot = int.from_bytes(keccak(encode(["uint256", "address"], [base, address])), "big")
            assert boa.env.get_storage(token.address, slot) == token.balanceOf(address)
            slots[slot] = holder
        return slots

    def _open(self) -> Books:
        tokens = {name: Token(name, keeps_a_hundredth=name == "fee") for name in self.tokens}
        books = Books(tokens, System.TREASURY_BPS, System.COMPENSATION)
        for name, slots in self.slots.items():
            for slot, holder in slots.items():
                books.holdings[name][holder] = self.holding(name, slot)
        for operator in [key.address for key in [*self.operators, *self.system.operators]]:
            stake = 2 if operator in self.people else 1
            books.positions[OPERATOR, operator].staked = stake * System.MIN_STAKE
        for account in self.contributors:
            books.positions[CONTRIBUTOR, account].staked = STAKE
        return books
