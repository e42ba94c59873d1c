"""`python -m benchmarks.relaying.launch PROGRAM ARGUMENT…`: becomes that program, which ends when its parent does."""

import os
import sys
from signal import SIGKILL

from embedded.supervisor import prepare

if __name__ == "__main__":
    prepare(SIGKILL, None)()
    # The program has no words of its own that it is started; whether it is ready must be asked.
    print('"started"', file=sys.stderr, flush=True)
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 (no shell is wanted)
