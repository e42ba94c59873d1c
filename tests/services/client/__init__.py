"""The client library against a running whopays."""
