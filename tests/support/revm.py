"""revm in place of titanoboa's interpreter: a second EVM, and many times as fast.

titanoboa compiles and deploys, in Python's py-evm; then all state is carried over, and from there
on calls run in revm (the EVM of anvil and reth), behind the part of py-evm's interface that calls
of deployed contracts use. Nothing can be deployed there, and no step is traced.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boa.util.abi import Address
from boa.vm.gas_meters import NoGasMeter
from pyrevm import EVM, AccountInfo, BlockEnv, CfgEnv, Env

GAS = 10**8
REVERTED = re.compile(r"Revert \{ gas_used: \d+, output: 0x([0-9a-f]*) \}")


class Computation:
    """What a call came to, in py-evm's words."""

    beneficiaries = ()  # of self-destructs: none
    _gas_meter_class = NoGasMeter  # gas isn't counted here

    def __init__(self, output: bytes, error: str) -> None:
        self.output, self.error = output, error
        self.is_error, self.is_success = bool(error), not error


class Clock:
    """Time and number of the block in which calls run."""

    def __init__(self, evm: EVM, timestamp: int, block_number: int, chain_id: int) -> None:
        self.evm, self.chain_id = evm, chain_id
        self.set(timestamp, block_number)

    def set(self, timestamp: int, block_number: int) -> None:
        self._timestamp, self._block_number = timestamp, block_number
        self.evm.set_block_env(
            BlockEnv(number=block_number, timestamp=timestamp, gas_limit=GAS, basefee=0)
        )

    @property
    def timestamp(self) -> int:
        return self._timestamp

    @timestamp.setter
    def timestamp(self, value: int) -> None:
        self.set(value, self._block_number)

    @property
    def block_number(self) -> int:
        return self._block_number

    @block_number.setter
    def block_number(self, value: int) -> None:
        self.set(self._timestamp, value)

    @contextmanager
    def anchor(self) -> Iterator[None]:
        kept = self._timestamp, self._block_number
        try:
            yield
        finally:
            self.set(*kept)


class Revm:
    """What titanoboa's environment has at this moment, in revm.

    `accounts` are addresses without code whose wei are carried over too.
    """

    def __init__(self, env: Any, accounts: list[str]) -> None:
        deployed = env.evm
        chain_id = deployed.patch.chain_id
        self.evm = EVM(env=Env(cfg=CfgEnv(chain_id=chain_id)), gas_limit=GAS, spec_id="CANCUN")
        self.codes: dict[str, bytes] = {}
        for address in map(Address, [*env._contracts, *env.sstore_trace]):
            if code := bytes(deployed.get_code(address)):
                self.codes[str(address)] = code
        for address in accounts:
            self._set_account(address, deployed.get_balance(Address(address)))
        for address in self.codes:
            self._set_account(address, deployed.get_balance(Address(address)))
        for account, slots in env.sstore_trace.items():
            for slot in slots:
                if value := deployed.get_storage(account, slot):
                    self.evm.insert_account_storage(str(account), slot, value)
        self.patch = Clock(
            self.evm, deployed.patch.timestamp, deployed.patch.block_number, chain_id
        )

    # ------------------------------------------------------- py-evm's interface

    def execute_code(
        self,
        *,
        sender: Address,
        to: Address,
        gas: int,
        value: int,
        data: bytes,
        is_static: bool,
        **_: Any,  # for tracing and for code that is deployed nowhere
    ) -> Computation:
        with self._as_caller(str(sender)):
            try:
                output = self.evm.message_call(
                    str(sender), str(to), data, value, gas, is_static=is_static
                )
                return Computation(bytes(output), "")
            except RuntimeError as error:
                if revert := REVERTED.fullmatch(str(error)):
                    return Computation(bytes.fromhex(revert[1]), str(error))
                if str(error).startswith("Halt"):
                    return Computation(b"", str(error))
                raise  # the harness' fault, not the contract's answer
            finally:
                self.evm.reset_transient_storage()  # it lasts for one transaction

    def get_storage(self, address: Address, slot: int) -> int:
        return int(self.evm.storage(str(address), slot))

    def get_balance(self, address: Address) -> int:
        return int(self.evm.get_balance(str(address)))

    def set_balance(self, address: Address, value: int) -> None:
        self.evm.set_balance(str(address), value)

    def get_code(self, address: Address) -> bytes:
        return self.codes.get(str(address), b"")

    def get_gas_limit(self) -> int:
        return GAS

    def get_gas_meter_class(self) -> type:
        return NoGasMeter

    def snapshot(self) -> Any:
        return self.evm.snapshot()

    def revert(self, snapshot: Any) -> None:
        self.evm.revert(snapshot)

    # ------------------------------------------------------------- small parts

    def _set_account(self, address: str, balance: int, *, with_code: bool = True) -> None:
        code = self.codes.get(address) if with_code else None
        self.evm.insert_account_info(address, AccountInfo(nonce=1, code=code))
        self.evm.set_balance(address, balance)

    @contextmanager
    def _as_caller(self, sender: str) -> Iterator[None]:
        """A contract can't send a transaction (EIP-3607): one that is to call has no code
        meanwhile."""
        if sender not in self.codes:
            yield
            return
        self._set_account(sender, self.evm.get_balance(sender), with_code=False)
        try:
            yield
        finally:
            self._set_account(sender, self.evm.get_balance(sender))


@contextmanager
def running_in(env: Any, revm: Revm) -> Iterator[None]:
    """Let titanoboa's calls run in `revm`, whose state is afterwards what it was before."""
    interpreter, env.evm = env.evm, revm
    try:
        with env.anchor():
            yield
    finally:
        env.evm = interpreter
