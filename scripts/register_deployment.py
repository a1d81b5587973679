"""Put a deployment into the registry of known networks: sign it with the registrar's key.

`python scripts/register_deployment.py NAME deployment.json KEYFILE` writes
`oracle/chain/deployments/NAME.json` and `NAME.sig`, which ship with the next release. KEYFILE holds
the key as hex; it is read, never kept or printed. Register only what `ddlp audit` has verified.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from oracle.chain.deployment import Deployment
from oracle.chain.registry import REGISTRAR, register, registered
from oracle.errors import DDLPError
from oracle.evidence.signing import address_of, checksum


def main() -> int:
    """Write the two files and read them back; 2, with one line, where that can't be done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="the network's name, say sepolia")
    parser.add_argument("deployment", type=Path)
    parser.add_argument("keyfile", type=Path)
    arguments = parser.parse_args()
    try:
        key = bytes.fromhex(arguments.keyfile.read_text(encoding="ascii").strip())
        if not any(REGISTRAR):
            raise ValueError(
                "no registrar is pinned yet: set REGISTRAR in oracle/chain/registry.py"
            )
        if address_of(key) != REGISTRAR:
            raise ValueError(f"the key isn't that of the registrar {checksum(REGISTRAR)}")
        path = register(arguments.name, Deployment.load(arguments.deployment), key)
        registered()
    except (DDLPError, OSError, ValueError) as error:
        print(f"not registered: {error}", file=sys.stderr)
        return 2
    print(f"registered: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
