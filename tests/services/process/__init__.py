"""The consumers and the relay, end to end on real servers, and what is done to them while they run."""
