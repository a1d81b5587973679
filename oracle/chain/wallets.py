"""Development accounts: the well-known mnemonic of local chains, derived by BIP-32/39/44.

Everybody knows these keys. They must never hold value, so `DevWallets` refuses every chain id that
isn't a devnet's.
"""

from __future__ import annotations

from functools import lru_cache

from eth_account import Account
from eth_account.signers.local import LocalAccount

from oracle.errors import ChainError

DEV_MNEMONIC = "test test test test test test test test test test test junk"
DEV_CHAIN_IDS = frozenset({1337, 31337})

Account.enable_unaudited_hdwallet_features()


def require_devnet(chain_id: int) -> None:
    """Raise ChainError unless `chain_id` is one that only local development chains use."""
    if chain_id not in DEV_CHAIN_IDS:
        raise ChainError(
            f"chain id {chain_id} isn't a devnet's ({sorted(DEV_CHAIN_IDS)}): development keys and "
            "devnet controls are refused; configure a key of your own for this chain"
        )


@lru_cache(maxsize=4096)
def dev_account(index: int) -> LocalAccount:
    """Return the development account number `index` (path m/44'/60'/0'/0/index).

    A LocalAccount's repr doesn't show its key; nothing here prints or logs one.
    """
    account: LocalAccount = Account.from_mnemonic(
        DEV_MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}"
    )
    return account


class DevWallets:
    """The development accounts of one chain, by role: disjoint ranges of one mnemonic.

    deployer 0, gateway 1, relayer 2, council 4, guardian 5; operators from 10, requesters from 20,
    contributors from 100. Raises ChainError when `chain_id` isn't a devnet's.
    """

    def __init__(self, chain_id: int) -> None:
        require_devnet(chain_id)

    @property
    def deployer(self) -> LocalAccount:
        """Deploys and first owns the contracts; keeps the right to mint, as a faucet."""
        return dev_account(0)

    @property
    def gateway(self) -> LocalAccount:
        """Signs the heads of the log."""
        return dev_account(1)

    @property
    def relayer(self) -> LocalAccount:
        """Pays the gas of relayed transactions: posts, finalizations and claims."""
        return dev_account(2)

    @property
    def council(self) -> LocalAccount:
        """Proposes to Governance."""
        return dev_account(4)

    @property
    def guardian(self) -> LocalAccount:
        """May pause posting and creating for a while."""
        return dev_account(5)

    def operator(self, index: int) -> LocalAccount:
        """Operator number `index`, 0 to 9."""
        return dev_account(_checked(10, index, 10))

    def requester(self, index: int = 0) -> LocalAccount:
        """Requester number `index`, 0 to 79."""
        return dev_account(_checked(20, index, 80))

    def contributor(self, index: int) -> LocalAccount:
        """Contributor number `index`, from 0."""
        return dev_account(_checked(100, index, 1_000_000))


def _checked(first: int, index: int, count: int) -> int:
    if not 0 <= index < count:
        raise ChainError(f"development account {index} is outside 0 to {count - 1} of its role")
    return first + index
