"""The decisions: pure functions from known state and a message to changes, events and violations."""
