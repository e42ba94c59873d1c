"""Publishing the log to Kafka: the relay, packing, its positions, and taking over from another relay."""
