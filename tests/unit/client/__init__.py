"""The client library, without servers."""
