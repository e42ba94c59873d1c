"""The topics of the straightforward worker, without the installation's prefix."""

COMMANDS, BINDINGS, RESULTS = "straightforward-commands", "straightforward-bindings", "straightforward-results"
