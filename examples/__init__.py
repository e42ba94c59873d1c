"""Reference pipelines on the client library, to be copied: usage, invoicing, payments. See README.md."""
