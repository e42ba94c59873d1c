"""Accounts, bindings and projects as Kubernetes resources: discovery, get, list and watch; it changes nothing."""
