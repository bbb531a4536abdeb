"""PostgreSQL: its dialect, and what only that needs."""
