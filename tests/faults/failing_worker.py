"""`whopays run` with failpoints, and as the mutant that MUTANT names, if any; perhaps with small partitions."""

import os

from tests.faults import failpoints
from tests.faults.mutants import MUTANTS
from tests.faults.mutating import MUTANT_VARIABLE, PARTITION_VARIABLE

if __name__ == "__main__":
    name = os.environ.get(MUTANT_VARIABLE)
    if name is None:
        failpoints.install()
    else:
        failpoints.install(MUTANTS[name].mutated)
    from cli import main
    from workers.runtime import logs

    if PARTITION_VARIABLE in os.environ:
        from db.archive import catalog

        vars(catalog)["PARTITION_POSITIONS"] = int(os.environ[PARTITION_VARIABLE])
    # With throwaway data, the log may quote the database's objections.
    vars(logs)["OURS"] += ("asyncpg",)
    main()
