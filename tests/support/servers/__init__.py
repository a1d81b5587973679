"""Real servers for tests marked `services`: Kubo, geth and PostgreSQL, on loopback only.

Programs are found by `programs`, started by `process`; `fixtures` are what tests ask for.
"""
