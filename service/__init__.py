"""The read-only HTTP API: paths, parameters and problems around the queries of `db.questions`."""
