"""How the package stands what nobody foresaw, and what goes on for long: fuzzing, and soaking.

`PYTHONPATH=tests python -m stress.fuzz` throws inputs at everything that reads what servers send; `python -m stress.guided`
does so with atheris, which is led by coverage; `python -m stress.soak` runs many streams at once, some of which go wrong.
"""
