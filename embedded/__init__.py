"""Real PostgreSQL 18 and Apache Kafka 4.3 from Python packages alone, for development, tests and the demonstration.

Nothing has to be installed on the machine and nothing runs in a container. All data, logs and locks of one pair of
servers are in one folder; the Java libraries of Kafka are downloaded once into a cache that all folders share.
"""

from embedded.errors import EmbeddedError
from embedded.services import Addresses, EmbeddedServices

__all__ = ["Addresses", "EmbeddedError", "EmbeddedServices"]
