"""`python -m flows.cli`: what the command `driftgate` does."""

from flows.cli import main

main()
