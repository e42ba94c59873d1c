"""`whopays run` with failpoints."""

from tests.faults import failpoints

if __name__ == "__main__":
    failpoints.install()
    from workers.cli import main

    main()
