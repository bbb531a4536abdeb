"""Stores: where a cache keeps what it knows, and the values themselves."""
