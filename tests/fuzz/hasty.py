"""`whopays serve` that hardly waits for what is not known yet: a fuzzer asks for that all the time."""

from cli import main
from service import waits

_WAIT_SECONDS = 0.02

if __name__ == "__main__":
    waits.WAIT_SECONDS = _WAIT_SECONDS
    main()
