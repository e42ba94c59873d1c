"""The acceptance cases and their runner: topics in, topics out, and the questions (`cases/FORMAT.md`)."""
