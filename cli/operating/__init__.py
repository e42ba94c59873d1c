"""Commands for operators: run, migrate, check, and repair an installation."""
