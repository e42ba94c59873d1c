"""What is decided: pure functions from what is known and what is said to changes, events and violations."""
