"""HUMAN Protocol's escrow and staking and Uniswap's distributor, as bench/gas.py drives them.

Their own compiled artifacts, from npm, pinned with integrity by package-lock.json beside this file.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode
from eth_account.signers.local import LocalAccount
from web3 import Web3

from oracle.chain.devnet import Devnet
from oracle.chain.rpc import request
from oracle.chain.transactions import Sender
from oracle.chain.wallets import DevWallets
from oracle.errors import Reverted
from oracle.evidence.hashing import keccak256, word
from oracle.evidence.signing import checksum
from oracle.ports import Sent

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build/bench"
UNIT = 10**18
# What their jobs point to, as long as in practice: a URL, and a SHA-1 in hex.
URL = "https://storage.googleapis.com/human-protocol-jobs/{:032x}.json"
SHORT_URL = "https://example.com/{:06x}"  # fits one slot; so does half a hash
# Percent of pay that each of a HUMAN job's three oracles keeps; five in all, as in our campaigns.
HUMAN_FEES = {"reputation": 2, "recording": 2, "exchange": 1}


def packages() -> Path:
    """The peers' packages, installed anew when their lock changes."""
    source, folder = Path(__file__).parent, OUT / "npm"
    lock = (source / "package-lock.json").read_bytes()
    stamp = folder / f"stamp-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not stamp.exists():
        print("installing the peers' contracts into build/bench/npm", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, folder)
        # HUMAN's peer dependency is a client library that nothing here runs
        command = ["npm", "ci", "--silent", "--ignore-scripts", "--legacy-peer-deps"]
        subprocess.run([ROOT / ".ci/with-node", *command], cwd=folder, check=True, env=os.environ)
        stamp.touch()
    return folder / "node_modules"


def encode_call(signature: str, arguments: Sequence[Any]) -> bytes:
    """Data of a call; `signature` is the canonical one, with no structs."""
    types = signature[signature.index("(") + 1 : -1]
    return keccak256(signature.encode())[:4] + encode(types.split(",") if types else [], arguments)


class Contract:
    """One deployed contract, called by its functions' signatures."""

    def __init__(self, w3: Web3, address: bytes) -> None:
        self.w3 = w3
        self.address = address

    @classmethod
    def deploy(cls, sender: Sender, path: str, types: str = "", *arguments: Any) -> Contract:
        """Create it from an artifact's path inside the packages."""
        artifact = json.loads((packages() / path).read_text(encoding="utf-8"))
        code = bytes.fromhex(artifact["bytecode"].removeprefix("0x"))
        sent = sender.send(path, None, code + encode(types.split(",") if types else [], arguments))
        assert sent.transaction is not None
        receipt = request(sender.w3, "eth_getTransactionReceipt", "0x" + sent.transaction.hex())
        return cls(sender.w3, bytes.fromhex(receipt["contractAddress"][2:]))

    def send(self, sender: Sender, signature: str, *arguments: Any) -> Sent:
        return sender.send(signature, self.address, encode_call(signature, arguments))

    def read(self, signature: str, returns: str, *arguments: Any) -> Any:
        data = encode_call(signature, arguments)
        query = {"to": checksum(self.address), "data": "0x" + data.hex()}
        result = request(self.w3, "eth_call", query, "latest")
        return decode([returns], bytes.fromhex(result[2:]))[0]

    def refuses(self, sender: Sender, signature: str, *arguments: Any) -> str | None:
        """The reason why it reverts; None where it succeeds, and then it has happened."""
        try:
            self.send(sender, signature, *arguments)
        except Reverted as error:
            return error.reason
        return None


class Human:
    """HUMAN Protocol 6: factory behind its proxy, staking, key-value store, three oracles."""

    CORE = "@human-protocol/core/artifacts/contracts"
    PROXY = (
        "@human-protocol/core/artifacts/@openzeppelin/contracts/proxy/ERC1967/"
        "ERC1967Proxy.sol/ERC1967Proxy.json"
    )
    MINIMUM_STAKE, SLASH_FEE, LOCK_BLOCKS = UNIT, 10, 5
    CREATE = (
        "createFundAndSetupEscrow(address,uint256,string,address,address,address,string,string)"
    )
    STORE = "storeResults(string,string,uint256)"
    PAY = "bulkPayOut(address[],uint256[],string,string,string,bool)"

    def __init__(self, devnet: Devnet, requester: LocalAccount, lean: bool = False) -> None:
        """Deploy all; the requester stakes, as whoever launches a job must. Where it is `lean`,
        strings are as short as can be, and nobody takes a fee.
        """
        self.devnet, w3, self.lean = devnet, devnet.w3, lean
        wallets = DevWallets(devnet.chain_id)
        self.owner = Sender(w3, wallets.deployer)
        self.requester = Sender(w3, requester)
        # accounts of their own: the operators' belong to our platform
        roles = enumerate(HUMAN_FEES, 20)
        self.oracles = {role: Sender(w3, wallets.requester(index)) for index, role in roles}
        # all of HUMAN's own token goes to the requester, who deploys it
        self.token = Contract.deploy(
            self.requester,
            f"{self.CORE}/HMToken.sol/HMToken.json",
            "uint256,string,uint8,string",
            10**9,
            "HUMAN Token",
            18,
            "HMT",
        )
        self.staking = self.deploy_staking()
        self.store = Contract.deploy(self.owner, f"{self.CORE}/KVStore.sol/KVStore.json")
        factory = Contract.deploy(self.owner, f"{self.CORE}/EscrowFactory.sol/EscrowFactory.json")
        initialize = encode_call(
            "initialize(address,uint256,address)",
            (self.staking.address, self.MINIMUM_STAKE, self.store.address),
        )
        self.factory = Contract.deploy(
            self.owner, self.PROXY, "address,bytes", factory.address, initialize
        )
        for role, fee in HUMAN_FEES.items():
            self.store.send(
                self.oracles[role], "set(string,string)", "fee", "0" if lean else str(fee)
            )
        self.stake(self.staking, self.requester, 10 * self.MINIMUM_STAKE)
        self._documents = 0

    def deploy_staking(self) -> Contract:
        """A staking contract of its own, in HUMAN's token."""
        return Contract.deploy(
            self.owner,
            f"{self.CORE}/Staking.sol/Staking.json",
            "address,uint256,uint32,uint8",
            self.token.address,
            self.MINIMUM_STAKE,
            self.LOCK_BLOCKS,
            self.SLASH_FEE,
        )

    def stake(self, staking: Contract, staker: Sender, amount: int) -> None:
        self.token.send(staker, "approve(address,uint256)", staking.address, amount)
        staking.send(staker, "stake(uint256)", amount)

    def document(self) -> tuple[str, str]:
        """URL and hash of another document; the words differ each time, as they would."""
        self._documents += 1
        digest = keccak256(word(self._documents))
        if self.lean:
            return SHORT_URL.format(int.from_bytes(digest[:3], "big")), digest[:10].hex()
        return URL.format(int.from_bytes(digest[:16], "big")), digest[:20].hex()

    def launch(self, token: bytes, amount: int) -> tuple[Contract, Sent]:
        """Approve, then create, fund and set up a job in one transaction, which is returned."""
        Contract(self.devnet.w3, token).send(
            self.requester, "approve(address,uint256)", self.factory.address, amount
        )
        oracles = (sender.address for sender in self.oracles.values())
        sent = self.factory.send(
            self.requester, self.CREATE, token, amount, "requester-1", *oracles, *self.document()
        )
        escrow = bytes.fromhex(self.factory.read("lastEscrow()", "address")[2:])
        return Contract(self.devnet.w3, escrow), sent

    def report(self, escrow: Contract, amount: int) -> Sent:
        """The recording oracle stores results, and reserves what they will be paid."""
        return escrow.send(self.oracles["recording"], self.STORE, *self.document(), amount)

    def payment(
        self, workers: Sequence[bytes], amounts: Sequence[int], last: bool
    ) -> tuple[Any, ...]:
        """Arguments of `bulkPayOut`; `last` completes the job and returns what is left."""
        url, digest = self.document()
        identifier = f"{self._documents:08x}-0000-4000-8000-000000000000"
        return list(workers), list(amounts), url, digest, identifier, last

    def pay(
        self, escrow: Contract, workers: Sequence[bytes], amounts: Sequence[int], last: bool
    ) -> Sent:
        """The reputation oracle pays all at once."""
        return escrow.send(
            self.oracles["reputation"], self.PAY, *self.payment(workers, amounts, last)
        )

    def refusal(self, escrow: Contract, workers: Sequence[bytes]) -> str | None:
        """Why so many can't be paid at once; None where they can."""
        return escrow.refuses(
            self.oracles["reputation"], self.PAY, *self.payment(workers, [1] * len(workers), False)
        )

    def slash_leaves_fees_unbacked(self) -> bool:
        """Whether a staker slashed in full takes the fee on the slash out again, so that the
        owner's `withdrawFees` finds the contract empty.
        """
        staking, amount = self.deploy_staking(), 100 * UNIT
        self.stake(staking, self.requester, amount)
        self._slash(staking, amount)
        left = staking.read("getAvailableStake(address)", "uint256", self.requester.address)
        if not left:
            return False
        staking.send(self.requester, "unstake(uint256)", left)
        self.devnet.mine(self.LOCK_BLOCKS)
        staking.send(self.requester, "withdraw()")
        return staking.refuses(self.owner, "withdrawFees()") is not None

    def slash_while_unstaking_locks_funds(self) -> bool:
        """Whether a staker slashed by half while unstaking can take out, unstake and add nothing,
        though the waiting time is over and half the stake is left.
        """
        staking, amount = self.deploy_staking(), 100 * UNIT
        self.stake(staking, self.requester, amount)
        staking.send(self.requester, "unstake(uint256)", amount)
        self._slash(staking, amount // 2)
        self.devnet.mine(10 * self.LOCK_BLOCKS)
        self.token.send(
            self.requester, "approve(address,uint256)", staking.address, 10 * self.MINIMUM_STAKE
        )
        left = staking.read("getStakedTokens(address)", "uint256", self.requester.address)
        return left > 0 and all(
            staking.refuses(self.requester, signature, *arguments) is not None
            for signature, arguments in (
                ("withdraw()", ()),
                ("unstake(uint256)", (1,)),
                ("stake(uint256)", (self.MINIMUM_STAKE,)),
            )
        )

    def _slash(self, staking: Contract, amount: int) -> None:
        owner, staker = self.owner.address, self.requester.address
        signature = "slash(address,address,address,uint256)"
        # neither the job nor its escrow is looked at
        staking.send(self.owner, signature, owner, staker, self.factory.address, amount)


class Distribution:
    """Uniswap's MerkleDistributor and the tree that it reads: leaves `(index, account, amount)`,
    packed and hashed once; pairs sorted; where a level is odd, its last node moves up.
    """

    PATH = "@uniswap/merkle-distributor/build/MerkleDistributor.json"
    CLAIM = "claim(uint256,address,uint256,bytes32[])"

    def __init__(self, sender: Sender, token: bytes, dues: Sequence[tuple[bytes, int]]) -> None:
        self.sender, self.dues = sender, dues
        self.leaves = [
            keccak256(word(index) + account + word(amount))
            for index, (account, amount) in enumerate(dues)
        ]
        self.levels = [sorted(self.leaves)]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            pairs = (sorted(below[at : at + 2]) for at in range(0, len(below), 2))
            self.levels.append([keccak256(b"".join(p)) if len(p) == 2 else p[0] for p in pairs])
        self.contract = Contract.deploy(
            sender, self.PATH, "address,bytes32", token, self.levels[-1][0]
        )

    def proof(self, index: int) -> list[bytes]:
        place, proof = self.levels[0].index(self.leaves[index]), []
        for level in self.levels[:-1]:
            if place ^ 1 < len(level):
                proof.append(level[place ^ 1])
            place //= 2
        return proof

    def claim(self, index: int) -> Sent:
        account, amount = self.dues[index]
        return self.contract.send(
            self.sender, self.CLAIM, index, account, amount, self.proof(index)
        )
