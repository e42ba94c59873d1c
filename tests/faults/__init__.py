"""Everything that can be broken is broken, and afterwards nothing is lost or doubled."""
