"""What `make invariants` runs."""

import sys

from tests.invariants.processes import main

sys.exit(main())
