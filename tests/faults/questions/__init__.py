"""Questions that are asked while something breaks: what was answered is held against what was published."""
