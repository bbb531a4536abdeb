"""Planning: fingerprints, recipes, decisions with reasons; what is stale, and why."""
