"""Caching: the values of nodes kept from one call to the next, as a face of the staleness engine."""
