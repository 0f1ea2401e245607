"""What the client promises, case by case, and how each client fares.

`tests/reliability/test_catalogue.py` holds our client to every case. `PYTHONPATH=tests python -m promises` holds the
official one to them as well, and writes the tables of docs/reliability.md.
"""
