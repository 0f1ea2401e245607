"""What each family of servers sends, written down by us from their documentation and from what was seen of them.

A module of `families/` has one family's streams, plain answers and errors, in its own envelope and with its own habits,
each with what has to come out. `test_families.py` reads them all, cut in three ways.
"""
