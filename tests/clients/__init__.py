"""Clients that others wrote, against the embedded server.

`PYTHONPATH=tests python -m clients [name …] [--write]` installs each into an environment of its own, runs its script of
`scripts/` against a server of its own, prints which cases passed, and writes the table of docs/clients.md.
"""
