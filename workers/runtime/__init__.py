"""What every role builds on: settings, logs, metrics, roles, liveness. Imports nothing above `schemas`."""
