"""The whole system, deployed in process: every contract test starts from `System.deploy()`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import rlp
from eth_abi import encode
from eth_account import Account
from eth_utils import keccak, to_canonical_address, to_checksum_address

with warnings.catch_warnings():
    # boa's own imports warn on some versions of its dependencies; ours are errors
    warnings.simplefilter("ignore")
    import boa

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
ZERO_ADDRESS = "0x" + "00" * 20
ZERO = b"\0" * 32
UNIT = 10**18
CONTRIBUTOR, OPERATOR, JUROR = 1, 2, 4

RECEIPT_FIELDS = {
    "campaign": "uint256",
    "epoch": "uint64",
    "attempt": "uint32",
    "final": "bool",
    "evidence": "bytes32",
    "payoutRoot": "bytes32",
    "payoutTotal": "uint128",
    "feeTotal": "uint128",
    "bondCharge": "uint128",
    "slashRoot": "bytes32",
    "logPosition": "uint64",
    "logHead": "bytes32",
    "asOf": "uint64",
    "labelCount": "uint64",
    "itemCount": "uint64",
    "agreement": "uint32",
    "nextReward": "uint128",
    "nextThreshold": "uint32",
    "previous": "bytes32",
}


@dataclass(frozen=True)
class Receipt:
    """A receipt as operators sign it; the fields of RECEIPT_FIELDS in their order."""

    campaign: int
    epoch: int = 1
    attempt: int = 0
    final: bool = False
    evidence: bytes = b"\x01" * 32
    payoutRoot: bytes = ZERO
    payoutTotal: int = 0
    feeTotal: int = 0
    bondCharge: int = 0
    slashRoot: bytes = ZERO
    logPosition: int = 0
    logHead: bytes = b"\x02" * 32
    asOf: int = 0
    labelCount: int = 0
    itemCount: int = 0
    agreement: int = 900_000
    nextReward: int = 10**16
    nextThreshold: int = 950_000
    previous: bytes = ZERO

    def values(self) -> tuple[Any, ...]:
        """The members in the order of the type string."""
        return tuple(getattr(self, name) for name in RECEIPT_FIELDS)


class Tree:
    """A StandardMerkleTree: leaf hashes sorted, a complete binary tree, pairs sorted."""

    def __init__(self, types: Sequence[str], leaves: Iterable[Sequence[Any]]) -> None:
        self.types = list(types)
        hashes = sorted(self.leaf(values) for values in leaves)
        self.nodes = [b""] * (len(hashes) - 1) + hashes[::-1]
        for i in reversed(range(len(hashes) - 1)):
            pair = sorted((self.nodes[2 * i + 1], self.nodes[2 * i + 2]))
            self.nodes[i] = keccak(b"".join(pair))

    @property
    def root(self) -> bytes:
        return self.nodes[0]

    def leaf(self, values: Sequence[Any]) -> bytes:
        return keccak(keccak(encode(self.types, list(values))))

    def proof(self, values: Sequence[Any]) -> list[bytes]:
        i = self.nodes.index(self.leaf(values))
        siblings = []
        while i > 0:
            siblings.append(self.nodes[i + 1 if i % 2 else i - 1])
            i = (i - 1) // 2
        return siblings


PAYOUT = ("address", "uint256", "uint64", "uint64")
SLASH = ("address", "uint256")


def payout_tree(leaves: Iterable[Sequence[Any]]) -> Tree:
    """Tree over `(account, cumulative, accepted, submitted)`."""
    return Tree(PAYOUT, leaves)


def slash_tree(leaves: Iterable[Sequence[Any]]) -> Tree:
    """Tree over `(account, cumulative)`."""
    return Tree(SLASH, leaves)


def events(contract: Any) -> list[tuple[str, dict[str, Any]]]:
    """All events of the contract's last transaction, other contracts' included, in order."""
    return [(type(log).__name__, _fields(log)) for log in contract.get_logs()]


def _fields(log: Any) -> dict[str, Any]:
    return {name: getattr(log, name) for name in log._fields if name != "address"}


@cache
def _compiled(name: str) -> Any:
    return boa.load_partial(str(CONTRACTS / f"{name}.vy"))


def load(name: str, *arguments: Any) -> Any:
    """Deploy `contracts/<name>.vy` as the current sender."""
    return _compiled(name).deploy(*arguments)


def store(contract: Any, variable: str, value: int, key: int | None = None) -> None:
    """Write a storage variable, or a map's entry, which no call could bring there in a test's time.

    titanoboa's `eval` would compile the contract anew, and Vyper can trip over its own symbols.
    """
    slot = contract.compiler_data.storage_layout["storage_layout"][variable]["slot"]
    if key is not None:
        slot = int.from_bytes(keccak(encode(["uint256", "uint256"], [slot, key])), "big")
    boa.env.set_storage(contract.address, slot, value)


def create_address(deployer: str, nonce: int) -> str:
    """The address that the deployer's creation with this nonce gets."""
    return to_checksum_address(keccak(rlp.encode([to_canonical_address(deployer), nonce]))[12:])


class System:
    """Token, treasury, vault, escrow, board and an arbitrator; three operators with threshold two,
    and named actors."""

    WINDOW = 3_600
    DISPUTE = 5 * 86_400
    MAX_PAUSE = 72 * 3_600
    PAUSE_COOLDOWN = 18 * 86_400
    COMPENSATION = 90 * 86_400
    ABANDON = 14 * 86_400
    NOTICE = 3 * 86_400
    LOCK = 30 * 86_400
    MAX_LOCK = 60 * 86_400
    UNBONDING = 21 * 86_400
    MIN_STAKE = 1_000 * UNIT
    RECEIPT_STAKE = 10 * UNIT
    MAX_OPEN = 100
    CHALLENGE_BOND = 50 * UNIT
    ARBITRATION_COST = 10**16
    MIN_FEE_BPS = 100
    TREASURY_BPS = 1_000

    BUDGET = 1_000 * UNIT
    CAP = 200 * UNIT
    BOND = 300 * UNIT
    FEE_BPS = 500

    def __init__(self, seated: bool = True) -> None:
        """Deploy all; `seated` names the three operators as the first set."""
        self.governance = boa.env.generate_address("governance")
        self.requester = boa.env.generate_address("requester")
        self.gateway = boa.env.generate_address("gateway")
        self.contributor = boa.env.generate_address("contributor")
        self.stranger = boa.env.generate_address("stranger")
        self.challenger = boa.env.generate_address("challenger")
        self.guardian = boa.env.generate_address("guardian")
        # operators sign, so they have keys; seats in the order of addresses
        accounts = [Account.from_key(keccak(text=f"operator {i}")) for i in range(4)]
        self.operators = sorted(accounts[:3], key=lambda account: int(account.address, 16))
        self.outsider = accounts[3]

        nonce = boa.env.evm.vm.state.get_nonce(to_canonical_address(self.governance))
        vault, escrow, board = (create_address(self.governance, nonce + i) for i in (2, 3, 4))
        with boa.env.prank(self.governance):
            self.token = self.load_token()
            self.treasury = load("Treasury", vault, escrow, board, self.COMPENSATION)
            self.vault = load(
                "StakeVault",
                self.token.address,
                self.treasury.address,
                escrow,
                board,
                self.UNBONDING,
                self.MAX_LOCK,
            )
            self.escrow = load(
                "CampaignEscrow",
                self.vault.address,
                board,
                self.ABANDON,
                self.NOTICE,
                self.LOCK,
                self.MIN_FEE_BPS,
                self.TREASURY_BPS,
            )
            self.board = load(
                "ReceiptBoard",
                self.vault.address,
                escrow,
                self.WINDOW,
                self.DISPUTE,
                self.MAX_PAUSE,
                self.PAUSE_COOLDOWN,
                self.MIN_STAKE,
                self.RECEIPT_STAKE,
                self.MAX_OPEN,
                self.CHALLENGE_BOND,
            )
            self.arbitrator = load("mocks/TestArbitrator", self.ARBITRATION_COST)
            self.escrow.set_token(self.token.address, True)
            self.board.set_arbitrator(self.arbitrator.address, b"", "ipfs://terms")
            self.board.set_guardian(self.guardian)
        for operator in self.operators:
            self.stake(operator.address, self.MIN_STAKE, OPERATOR)
        if seated:
            self.set_operators([operator.address for operator in self.operators], 2)
        self.mint(self.requester, 10_000 * UNIT)
        self.approve(self.requester)

    # ---------------------------------------------------------------- tokens

    def load_token(self) -> Any:
        """The token of stakes, and of campaigns unless they name another."""
        return load("LabelToken", 10**9 * UNIT)

    def mint(self, account: str, amount: int) -> None:
        self.token.mint(account, amount, sender=self.governance)

    def approve(self, owner: str, spender: Any = None, token: Any = None) -> None:
        spender = spender or self.escrow
        (token or self.token).approve(spender.address, 2**256 - 1, sender=owner)

    def balance(self, account: Any, token: Any = None) -> int:
        return int((token or self.token).balanceOf(getattr(account, "address", account)))

    # ----------------------------------------------------------------- state

    def state(self) -> tuple[Any, ...]:
        """All that a refused call must leave as it was."""
        ids = range(1, self.escrow.campaign_count() + 1)
        actors = [self.requester, self.gateway, self.contributor, self.stranger, self.challenger]
        actors += [operator.address for operator in self.operators]
        contracts = [one.address for one in (self.escrow, self.vault, self.board, self.treasury)]
        cases = [self.board.case(i) for i in range(1, self.board.case_count() + 1)]
        return (
            [self.escrow.campaign(i) for i in ids],
            [self.board.progress(i) for i in ids],
            [self.escrow.claimed(i, actor) for i in ids for actor in actors],
            [self.token.balanceOf(account) for account in actors + contracts],
            [self.vault.position(role, a) for role in (1, 2, 4) for a in actors],
            [self.vault.banned_until(account) for account in actors],
            self.vault.total(),
            [self.board.is_challenged(i) for i in ids],
            [self.board.last_activity(i) for i in ids],
            [self.board.next_bond(i) for i in ids],
            cases,
            [self.board.contest(case.receipt) for case in cases],
            self.board.open_receipts(),
            self.board.paused_until(),
            self.board.guardian(),
            self.board.arbitrator(),
            self.board.challenge_bond(),
            [self.treasury.pot(i) for i in range(1, self.treasury.pot_count() + 1)],
            self.treasury.general(self.token.address),
            self.treasury.held(self.token.address),
            self.board.operator_set(),
            self.board.threshold(),
            self.board.min_operator_stake(),
            self.escrow.min_fee_bps(),
        )

    @contextmanager
    def refused(self, reason: str) -> Iterator[None]:
        """The call inside reverts with exactly this reason, and nothing has moved."""
        before = self.state()
        with boa.reverts(reason):
            yield
        assert self.state() == before

    # ----------------------------------------------------------------- stake

    def stake(self, account: str, amount: int, role: int = CONTRIBUTOR) -> None:
        self.mint(account, amount)
        self.approve(account, self.vault)
        self.vault.join(role, keccak(text=account), sender=account)
        self.vault.stake(role, amount, sender=account)

    def set_operators(self, addresses: Sequence[str], threshold: int) -> None:
        self.board.set_operators(list(addresses), threshold, sender=self.governance)

    # ------------------------------------------------------------ challenges

    def challenge(
        self, receipt: Receipt, place: str = "", challenger: str = "", **options: Any
    ) -> int:
        """The case of a challenge with a fault at `place`, bond and arbitration cost paid."""
        challenger = challenger or self.challenger
        self.mint(challenger, self.board.next_bond(receipt.campaign))
        self.approve(challenger, self.board)
        boa.env.set_balance(challenger, self.ARBITRATION_COST)
        options = {"value": self.ARBITRATION_COST, **options}
        return int(
            self.board.challenge(
                receipt.values(), "ITEM-RESULT", place, sender=challenger, **options
            )
        )

    def rule(self, case: int, ruling: int) -> None:
        """The arbitrator decides: 0 or 1 dismisses, 2 upholds, 3 says that evidence was late."""
        dispute = self.board.case(case).dispute
        self.arbitrator.give_ruling(dispute, ruling, sender=self.governance)

    def expire(self, case: int) -> None:
        """The deadline passes without a ruling."""
        late = self.board.case(case).deadline - boa.env.evm.patch.timestamp
        boa.env.time_travel(seconds=max(late, 0))
        self.board.expire(case, sender=self.stranger)

    # ------------------------------------------------------------- campaigns

    def create(self, **changes: Any) -> int:
        """A campaign of the requester with budget, cap and bond of the class."""
        terms = {
            "token": self.token.address,
            "budget": self.BUDGET,
            "bond": self.BOND,
            "epoch_cap": self.CAP,
            "fee_bps": self.FEE_BPS,
            "gateway": self.gateway,
            "manifest": b"\x07" * 32,
            "bond_payer": ZERO_ADDRESS,
            **changes,
        }
        return int(self.escrow.create(*terms.values(), sender=self.requester))

    def close(self, campaign: int) -> None:
        self.escrow.close(campaign, sender=self.requester)
        boa.env.time_travel(blocks=2)

    # -------------------------------------------------------------- receipts

    def receipt(self, campaign: int, **changes: Any) -> Receipt:
        """The next valid receipt of a campaign: nothing added unless `changes` say so."""
        progress = self.board.progress(campaign)
        state = self.escrow.campaign(campaign)
        receipt = Receipt(
            campaign=campaign,
            epoch=progress.epoch + 1,
            attempt=progress.attempt,
            payoutTotal=state.payout_total,
            feeTotal=state.fee_total,
            bondCharge=state.bond_charge,
            logPosition=progress.logPosition + 10,
            asOf=boa.env.evm.patch.block_number - 1,
            labelCount=progress.labelCount + 10,
            previous=progress.digest,
        )
        return replace(receipt, **changes)

    def digest(self, receipt: Receipt) -> bytes:
        """EIP-712 digest, by eth-account's own encoder."""
        return eip712_digest(self.board.address, receipt)

    def sign(self, receipt: Receipt, signers: Sequence[Any] | None = None) -> list[Any]:
        """Compact signatures, in the order of the signers: by default the first two operators."""
        digest = self.digest(receipt)
        signers = self.operators[:2] if signers is None else signers
        return [compact(account.unsafe_sign_hash(digest)) for account in signers]

    def members(self) -> list[str]:
        """The current operator set, by seat."""
        return list(self.board.operators(self.board.operator_set()))

    def post(self, receipt: Receipt, signers: Sequence[Any] | None = None) -> None:
        signatures = self.sign(receipt, signers)
        self.board.post(receipt.values(), signatures, self.members(), sender=self.stranger)

    def finalize(self, receipt: Receipt) -> None:
        boa.env.time_travel(seconds=self.WINDOW)
        self.board.finalize(receipt.values(), sender=self.stranger)

    def settle(self, receipt: Receipt, signers: Sequence[Any] | None = None) -> None:
        """Post, wait out the window, finalize."""
        self.post(receipt, signers)
        self.finalize(receipt)

    def pay(self, campaign: int, amounts: dict[str, int], **changes: Any) -> tuple[Receipt, Tree]:
        """Settle a receipt whose payout tree holds these cumulative amounts."""
        leaves = [(account, amount, 1, 1) for account, amount in amounts.items()]
        tree = payout_tree(leaves)
        total = sum(amounts.values())
        terms = {
            "payoutRoot": tree.root,
            "payoutTotal": total,
            "feeTotal": total * self.FEE_BPS // 10_000,
            **changes,
        }
        receipt = self.receipt(campaign, **terms)
        self.settle(receipt)
        return receipt, tree

    def claim(self, receipt: Receipt, tree: Tree, account: str, amount: int) -> None:
        leaf = (account, amount, 1, 1)
        self.escrow.claim(
            receipt.campaign, receipt.epoch, *leaf, tree.proof(leaf), sender=self.stranger
        )


def eip712_digest(board: str, receipt: Receipt) -> bytes:
    """What operators sign, computed without the contracts."""
    from eth_account.messages import encode_typed_data

    fields = [{"name": name, "type": kind} for name, kind in RECEIPT_FIELDS.items()]
    domain = {
        "name": "DDLP",
        "version": "1",
        "chainId": boa.env.evm.patch.chain_id,
        "verifyingContract": board,
    }
    message = dict(zip(RECEIPT_FIELDS, receipt.values(), strict=True))
    signable = encode_typed_data(domain, {"Receipt": fields}, message)
    return keccak(b"\x19" + signable.version + signable.header + signable.body)


def compact(signed: Any) -> tuple[bytes, bytes]:
    """EIP-2098: the parity goes to the top bit of `vs`."""
    vs = signed.s | (signed.v - 27) << 255
    return signed.r.to_bytes(32, "big"), vs.to_bytes(32, "big")
