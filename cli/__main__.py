"""`python -m cli`: the same as `whopays`."""

from cli import main

main()
