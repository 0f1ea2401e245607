"""What the client costs beside its rivals, on the same bytes, in the same run.

`python -m benchmarks` runs every row, and the matrix of interpreters and event loops; `python -m benchmarks burst` one.
A row is a file in `rows`: its contestants side by side, each run in a fresh process, in turns, against a server in
another process. `python -m benchmarks.guards` counts instructions instead, against recorded budgets.
"""
