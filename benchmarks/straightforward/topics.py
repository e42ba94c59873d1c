"""Names: of the topics, without the installation's prefix, and of the outbox's queue."""

COMMANDS, BINDINGS, RESULTS = "straightforward-commands", "straightforward-bindings", "straightforward-results"
OUTBOX_QUEUE = "events"
