"""Everything that can be broken is, and afterwards nothing is lost and nothing doubled."""
