"""Queries for the Kubernetes resources: pages of accounts, bindings and projects, and what a watch needs."""
