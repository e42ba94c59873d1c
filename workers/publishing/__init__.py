"""How the log gets out: the relay, packing, its positions, taking over from another relay."""
