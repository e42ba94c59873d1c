"""Tests of the Kubernetes resources."""
