"""`python -m workers.cli`: the same as `whopays`."""

from workers.cli import main

main()
