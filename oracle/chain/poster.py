"""Poster: the only module that signs and sends transactions (but for a deployment's).

Every method may be called again after a crash or a timeout: it looks at the chain first, and sends
nothing where the chain already is where the call leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from web3 import Web3

from oracle.chain.codec import encode_call
from oracle.chain.deployment import Deployment
from oracle.chain.events import EventDecoder, event_topic
from oracle.chain.proofs import to_int
from oracle.chain.rpc import get_logs, request
from oracle.chain.transactions import Fees, Sender, Signer, read_contract, read_struct
from oracle.errors import ChainError, InputError, Reverted
from oracle.evidence.entries import LogRow
from oracle.evidence.hashing import address_word
from oracle.evidence.results import SlashLeaf
from oracle.evidence.signing import checksum, compact, recover
from oracle.evidence.structs import Domain, Receipt
from oracle.ports import ChainEvent, PayoutClaim, Sent, TransactionStore

BATCH = 64  # leaves in one claim_batch
MANY = 16  # claims in one claim_many
CONTRIBUTOR, OPERATOR, JUROR = 1, 2, 4  # StakeVault's roles


class Poster:
    """Sends transactions for one account: an operator's or relayer's `ReceiptPoster`, a requester's
    campaigns. With a `store` on disk it survives kills; `fees` are its caps (see `Sender`).

    Safe for several threads, and for several posters of one account in one process. Reverted
    carries the contract's reason where it refuses; ChainError where the node can't be reached.
    """

    def __init__(
        self,
        w3: Web3,
        account: Signer,
        deployment: Deployment,
        store: TransactionStore | None = None,
        fees: Fees | None = None,
    ) -> None:
        self.w3 = w3
        self.deployment = deployment
        self._sender = Sender(w3, account, store, fees)
        self._domain = Domain(deployment.chain_id, deployment.board)

    @property
    def address(self) -> bytes:
        """The account that signs and pays."""
        return self._sender.address

    def resume(self) -> None:
        """Send again what an earlier process signed and no block holds yet; at every start."""
        self._sender.resume()

    # -- receipts ------------------------------------------------------------------------------

    def post(self, receipt: Receipt, signatures: Sequence[bytes]) -> Sent:
        """Post a receipt with operators' 65-byte signatures, in any order."""
        digest = receipt.digest(self._domain)
        if self._is_posted(receipt, digest):
            return self._nothing()
        by_signer = {recover(digest, signature): signature for signature in signatures}
        ascending = [compact(by_signer[signer]) for signer in sorted(by_signer)]
        try:
            return self._board("post", receipt.as_tuple(), ascending, self._members())
        except Reverted:
            # Another operator may have posted it since we looked.
            if self._is_posted(receipt, digest):
                return self._nothing()
            raise

    def finalize(self, receipt: Receipt) -> Sent:
        """Finalize a posted receipt whose window is over."""
        digest = receipt.digest(self._domain)
        if self._is_finalized(receipt, digest):
            return self._nothing()
        try:
            return self._board("finalize", receipt.as_tuple())
        except Reverted:
            if self._is_finalized(receipt, digest):
                return self._nothing()
            raise

    def challenge(self, receipt: Receipt, fault: str, place: str) -> Sent:
        """Dispute a pending receipt, with the bond in the stake token and the arbitrator's cost in
        ether; `fault` has at most 32 bytes, `place` 128. Nothing is sent where it was named before.
        """
        board = self.deployment.board
        digest = receipt.digest(self._domain)
        for event in self._challenges(receipt.campaign, digest):
            if (event.arguments["fault"], event.arguments["place"]) == (fault, place):
                return self._nothing()
        bond, cost = self.challenge_terms(receipt.campaign)
        self.approve(self.deployment.token, board, bond)
        return self._sender.call_contract(
            "ReceiptBoard", board, "challenge", receipt.as_tuple(), fault, place, value=cost
        )

    def challenge_terms(self, campaign: int) -> tuple[int, int]:
        """Return what a challenge of a campaign's receipt takes: its bond in base units of the
        stake token, and the arbitrator's cost in wei.
        """
        board = self.deployment.board
        bond = read_contract(self.w3, "ReceiptBoard", board, "next_bond", campaign)
        return int(bond), int(read_contract(self.w3, "ReceiptBoard", board, "arbitration_cost"))

    def _challenges(self, campaign: int, digest: bytes) -> list[ChainEvent]:
        topics = [event_topic("ReceiptBoard", "Challenged"), campaign.to_bytes(32, "big"), digest]
        decoder = EventDecoder(self.deployment.addresses)
        logs = self._logs(self.deployment.board, topics)
        decoded = (decoder.decode(log, block=0, index=0, transaction=b"") for log in logs)
        return [event for event in decoded if event is not None]

    def execute_slash(
        self, campaign: int, epoch: int, leaf: SlashLeaf, proof: Sequence[bytes]
    ) -> Sent:
        """Take from an account's lock what a finalized slash tree says."""
        account = leaf.account
        taken = read_contract(
            self.w3, "ReceiptBoard", self.deployment.board, "slashed", campaign, account
        )
        if taken >= leaf.cumulative:
            return self._nothing()
        return self._board("execute_slash", campaign, epoch, account, leaf.cumulative, list(proof))

    # -- claims --------------------------------------------------------------------------------

    def claim(self, claim: PayoutClaim) -> Sent:
        """Pay one leaf out to its account."""
        if not self._is_due(claim):
            return self._nothing()
        return self._escrow("claim", *_claim_values(claim))

    def claim_batch(self, claims: Sequence[PayoutClaim]) -> list[Sent]:
        """Pay out leaves of one receipt, up to 64 in a transaction; paid ones are passed over."""
        if len({(claim.campaign, claim.epoch) for claim in claims}) > 1:
            raise InputError("claim_batch takes leaves of one receipt: use claim_many for several")
        due = [claim for claim in claims if self._is_due(claim)]
        return [
            self._escrow(
                "claim_batch",
                part[0].campaign,
                part[0].epoch,
                [_leaf_values(claim) for claim in part],
                [list(claim.proof) for claim in part],
            )
            for part in (due[start : start + BATCH] for start in range(0, len(due), BATCH))
        ]

    def claim_many(self, claims: Sequence[PayoutClaim]) -> list[Sent]:
        """Pay out leaves of several campaigns or epochs, up to 16 in a transaction; paid ones are
        passed over.
        """
        due = [claim for claim in claims if self._is_due(claim)]
        return [
            self._escrow(
                "claim_many", [_claim_values(claim) for claim in due[start : start + MANY]]
            )
            for start in range(0, len(due), MANY)
        ]

    def withdraw_fees(self, token: bytes, quorums: Sequence[int]) -> Sent:
        """Withdraw this operator's share of the fees of quorums, as Settled names them."""
        return self._withdraw("withdraw_fees", self.address, token, quorums)

    def withdraw_treasury_fees(self, token: bytes, quorums: Sequence[int]) -> Sent:
        """Bring the treasury its share of the fees of quorums; anybody may."""
        return self._withdraw("withdraw_treasury_fees", self.deployment.treasury, token, quorums)

    def _withdraw(self, function: str, payee: bytes, token: bytes, quorums: Sequence[int]) -> Sent:
        escrow, named = self.deployment.escrow, list(quorums)
        due = read_contract(self.w3, "CampaignEscrow", escrow, "fees_of", payee, token, named)
        return self._escrow(function, token, named) if due else self._nothing()

    # -- campaigns -----------------------------------------------------------------------------

    def create(
        self,
        *,
        token: bytes,
        budget: int,
        bond: int,
        epoch_cap: int,
        fee_bps: int,
        gateway: bytes,
        manifest: bytes,
        bond_payer: bytes | None = None,
    ) -> tuple[int, Sent]:
        """Create a campaign and return its id; the one this account created with the same manifest,
        if there is one.

        What this account pays is approved first, to the unit. `bond_payer` is another account that
        pledged the bond.
        """
        known = self._created(manifest)
        if known is not None:
            return known, self._nothing()
        self.approve(token, self.deployment.escrow, budget + (0 if bond_payer else bond))
        sent = self._escrow(
            "create",
            token,
            budget,
            bond,
            epoch_cap,
            fee_bps,
            gateway,
            manifest,
            bond_payer or bytes(20),
        )
        created = self._created(manifest)
        if created is None:
            raise ChainError(f"create: no CampaignCreated in block {sent.block}: check the node")
        return created, sent

    def fund(self, campaign: int, amount: int) -> Sent:
        """Add `amount` to a campaign's budget. Unlike the others, calling twice adds twice."""
        self.approve(self._token_of(campaign), self.deployment.escrow, amount)
        return self._escrow("fund", campaign, amount)

    def pledge_bond(self, requester: bytes, token: bytes, amount: int) -> Sent:
        """Pledge the bond of a campaign that `requester` will create, up to `amount` in all."""
        pledged = read_contract(
            self.w3,
            "CampaignEscrow",
            self.deployment.escrow,
            "pledge",
            self.address,
            requester,
            token,
        )
        if pledged >= amount:
            return self._nothing()
        self.approve(token, self.deployment.escrow, amount - pledged)
        return self._escrow("pledge_bond", requester, token, amount - pledged)

    def raise_bond(self, campaign: int, bond: int) -> Sent:
        """Raise a campaign's bond to `bond`."""
        missing = bond - self._campaign(campaign)["bond"]
        if missing <= 0:
            return self._nothing()
        self.approve(self._token_of(campaign), self.deployment.escrow, missing)
        return self._escrow("raise_bond", campaign, missing)

    def raise_epoch_cap(self, campaign: int, epoch_cap: int) -> Sent:
        """Raise what one receipt may add to `epoch_cap`."""
        if self._campaign(campaign)["epoch_cap"] >= epoch_cap:
            return self._nothing()
        return self._escrow("raise_epoch_cap", campaign, epoch_cap)

    def close(self, campaign: int) -> Sent:
        """End a campaign: no new leases from here on."""
        if self._campaign(campaign)["closed_at"]:
            return self._nothing()
        return self._escrow("close", campaign)

    def abandon(self, campaign: int) -> Sent:
        """Announce that this payer will leave a campaign that gets no complete final receipt.

        Anew where a receipt or a pause has ended an earlier notice.
        """
        state = self._campaign(campaign)
        last = read_contract(
            self.w3, "ReceiptBoard", self.deployment.board, "last_activity", campaign
        )
        if state["refunded"] or state["notice_at"] > last:
            return self._nothing()
        return self._escrow("abandon", campaign)

    def refund(self, campaign: int) -> Sent:
        """Pay budget and bond that aren't committed back to their payers."""
        if self._campaign(campaign)["refunded"]:
            return self._nothing()
        return self._escrow("refund", campaign)

    def prove_fork(self, campaign: int, first: LogRow, second: LogRow) -> Sent:
        """Show two rows of one position whose Heads the gateway signed; the campaign closes."""
        if first.position != second.position or first.head == second.head:
            raise InputError("two rows of one position with different heads are a fork: give such")
        if self._campaign(campaign)["forked"]:
            return self._nothing()
        heads = [(row.entry_hash, row.head, *compact(row.signature)) for row in (first, second)]
        try:
            return self._escrow("prove_fork", campaign, first.position, *heads)
        except Reverted:
            # Another operator may have shown it since we looked.
            if self._campaign(campaign)["forked"]:
                return self._nothing()
            raise

    def delegate(
        self, campaign: int, session_key: bytes, generation: int, valid_until: int, consent: bytes
    ) -> Sent:
        """Delegate to a session key by an event, as contract wallets do."""
        return self._escrow("delegate", campaign, session_key, generation, valid_until, consent)

    def commit_stake(self, campaign: int, amount: int) -> Sent:
        """Lock this contributor's stake for a campaign, up to `amount` in all."""
        subject = campaign.to_bytes(32, "big")
        locked, expires_at = read_contract(
            self.w3,
            "StakeVault",
            self.deployment.vault,
            "lock_of",
            CONTRIBUTOR,
            self.address,
            subject,
        )
        if expires_at <= self._now():
            locked = 0
        if locked >= amount:
            return self._nothing()
        return self._escrow("commit_stake", campaign, amount - locked)

    # -- tokens and stake ----------------------------------------------------------------------

    def approve(self, token: bytes, spender: bytes, amount: int) -> Sent:
        """Let `spender` take up to `amount`; nothing is sent where it may already."""
        account = self.address
        allowed = read_contract(self.w3, "LabelToken", token, "allowance", account, spender)
        if allowed >= amount:
            return self._nothing()
        return self._sender.call_contract("LabelToken", token, "approve", spender, amount)

    def transfer(self, token: bytes, recipient: bytes, amount: int) -> Sent:
        """Transfer tokens. Calling twice transfers twice."""
        return self._sender.call_contract("LabelToken", token, "transfer", recipient, amount)

    def mint(self, recipient: bytes, amount: int) -> Sent:
        """Create `amount` of LabelToken, as its minter. Calling twice mints twice."""
        return self._sender.call_contract(
            "LabelToken", self.deployment.token, "mint", recipient, amount
        )

    def join(self, role: int, encryption_key: bytes) -> Sent:
        """Publish this account's X25519 key for a role."""
        known = read_contract(
            self.w3,
            "StakeVault",
            self.deployment.vault,
            "encryption_key",
            role,
            self.address,
        )
        return (
            self._nothing()
            if known == encryption_key
            else self._vault("join", role, encryption_key)
        )

    def stake(self, role: int, amount: int) -> Sent:
        """Raise this account's stake in a role to `amount`."""
        missing = amount - read_contract(
            self.w3, "StakeVault", self.deployment.vault, "staked", role, self.address
        )
        if missing <= 0:
            return self._nothing()
        self.approve(self.deployment.token, self.deployment.vault, missing)
        return self._vault("stake", role, missing)

    def unbond(self, role: int, amount: int) -> Sent:
        """Start to take `amount` of stake out. Calling twice unbonds twice."""
        return self._vault("unbond", role, amount)

    def withdraw(self, role: int) -> Sent:
        """Pay out what has unbonded."""
        return self._vault("withdraw", role)

    # -- the owner's -----------------------------------------------------------------------------

    def set_operators(self, operators: Sequence[bytes], threshold: int) -> Sent:
        """Name the operator set, as the board's owner; seats follow the addresses."""
        wanted = tuple(sorted(operators))
        if self._members() == wanted and threshold == read_contract(
            self.w3, "ReceiptBoard", self.deployment.board, "threshold"
        ):
            return self._nothing()
        return self._board("set_operators", wanted, threshold)

    def set_token(self, token: bytes, allowed: bool) -> Sent:
        """Allow a token for campaigns or stop it, as the escrow's owner."""
        escrow = self.deployment.escrow
        if read_contract(self.w3, "CampaignEscrow", escrow, "is_allowed", token) == allowed:
            return self._nothing()
        return self._escrow("set_token", token, allowed)

    # -- small parts -----------------------------------------------------------------------------

    def _board(self, function: str, *arguments: Any) -> Sent:
        return self._sender.call_contract(
            "ReceiptBoard", self.deployment.board, function, *arguments
        )

    def _escrow(self, function: str, *arguments: Any) -> Sent:
        return self._sender.call_contract(
            "CampaignEscrow", self.deployment.escrow, function, *arguments
        )

    def _vault(self, function: str, *arguments: Any) -> Sent:
        return self._sender.call_contract("StakeVault", self.deployment.vault, function, *arguments)

    def _nothing(self) -> Sent:
        return Sent(None, to_int(request(self.w3, "eth_blockNumber"), "eth_blockNumber"), 0)

    def _now(self) -> int:
        newest = request(self.w3, "eth_getBlockByNumber", "latest", False)
        return to_int(newest["timestamp"], "timestamp")

    def _campaign(self, campaign: int) -> dict[str, Any]:
        return read_struct(self.w3, "CampaignEscrow", self.deployment.escrow, "campaign", campaign)

    def _token_of(self, campaign: int) -> bytes:
        token: bytes = self._campaign(campaign)["token"]
        if token == bytes(20):
            raise InputError(f"campaign {campaign} doesn't exist: create it first")
        return token

    def _members(self) -> tuple[bytes, ...]:
        """Return the current operator set, by seat."""
        board = self.deployment.board
        version = read_contract(self.w3, "ReceiptBoard", board, "operator_set")
        members: tuple[bytes, ...] = read_contract(
            self.w3, "ReceiptBoard", board, "operators", version
        )
        return members

    def _progress(self, campaign: int) -> dict[str, Any]:
        return read_struct(self.w3, "ReceiptBoard", self.deployment.board, "progress", campaign)

    def _is_posted(self, receipt: Receipt, digest: bytes) -> bool:
        progress = self._progress(receipt.campaign)
        # Epochs only rise, so what was posted before can only be of an epoch finalized since.
        return progress["digest"] == digest or (
            progress["epoch"] >= receipt.epoch and self._has_event("ReceiptPosted", receipt, digest)
        )

    def _is_finalized(self, receipt: Receipt, digest: bytes) -> bool:
        progress = self._progress(receipt.campaign)
        if progress["digest"] == digest:
            return not progress["pending"]
        return progress["epoch"] >= receipt.epoch and self._has_event(
            "ReceiptFinalized", receipt, digest
        )

    def _has_event(self, name: str, receipt: Receipt, digest: bytes) -> bool:
        topics = [event_topic("ReceiptBoard", name), receipt.campaign.to_bytes(32, "big"), digest]
        return bool(self._logs(self.deployment.board, topics))

    def _logs(self, contract: bytes, topics: Sequence[bytes | None]) -> list[dict[str, Any]]:
        newest = to_int(request(self.w3, "eth_blockNumber"), "eth_blockNumber")
        texts = ["0x" + topic.hex() if topic is not None else None for topic in topics]
        return get_logs(self.w3, [checksum(contract)], texts, self.deployment.first_block, newest)

    def _is_due(self, claim: PayoutClaim) -> bool:
        cumulative, accepted, submitted = read_contract(
            self.w3,
            "CampaignEscrow",
            self.deployment.escrow,
            "claimed",
            claim.campaign,
            claim.leaf.account,
        )
        leaf = claim.leaf
        return bool(
            leaf.cumulative > cumulative or leaf.accepted > accepted or leaf.submitted > submitted
        )

    def _created(self, manifest: bytes) -> int | None:
        """Return the campaign that this account created with `manifest`, if there is one."""
        created = event_topic("CampaignEscrow", "CampaignCreated")
        decoder = EventDecoder(self.deployment.addresses)
        for log in self._logs(self.deployment.escrow, [created, None, address_word(self.address)]):
            event = decoder.decode(log, block=0, index=0, transaction=b"")
            if event is not None and event.arguments["manifest"] == manifest:
                return int(event.arguments["campaign"])
        return None


def _leaf_values(claim: PayoutClaim) -> tuple[bytes, int, int, int]:
    leaf = claim.leaf
    return leaf.account, leaf.cumulative, leaf.accepted, leaf.submitted


def claim_many_call(claims: Sequence[PayoutClaim]) -> bytes:
    """Return the call data of the escrow's `claim_many`, for an account that pays its own gas."""
    return encode_call("CampaignEscrow", "claim_many", ([_claim_values(one) for one in claims],))


def _claim_values(claim: PayoutClaim) -> tuple[Any, ...]:
    return claim.campaign, claim.epoch, *_leaf_values(claim), list(claim.proof)
