"""Data quality: validators look at a node's value and say whether it is as it should be."""
