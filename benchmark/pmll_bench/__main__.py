"""`python -m pmll_bench`: the command line."""

from .cli import main

main()
