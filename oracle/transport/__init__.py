"""HTTP between gateway and operators: the ports of `oracle/ports.py` across processes."""
