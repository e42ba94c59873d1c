"""Accounts, bindings and projects as read-only Kubernetes resources: discovery, get, list and watch."""
