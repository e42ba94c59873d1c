"""The ground that every role stands on: settings, logs, metrics, roles, liveness. Imports nothing above `schemas`."""
