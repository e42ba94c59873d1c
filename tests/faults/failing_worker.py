"""`whopays run` with failpoints, and as the mutant that MUTANT names, if any."""

import os

from tests.faults import failpoints
from tests.faults.mutants import MUTANTS
from tests.faults.mutating import MUTANT_VARIABLE

if __name__ == "__main__":
    name = os.environ.get(MUTANT_VARIABLE)
    if name is None:
        failpoints.install()
    else:
        failpoints.install(MUTANTS[name].mutated)
    from cli import main
    from workers.runtime import logs

    # With throwaway data, the log may quote the database's objections.
    vars(logs)["OURS"] += ("asyncpg",)
    main()
