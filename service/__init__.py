"""Questions over HTTP: paths, parameters and problems around the answers of `db.questions`; it changes nothing."""
