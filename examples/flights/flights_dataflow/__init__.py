"""The punctuality of flights out of New York City, from files to recorded tables.

`sources` reads and cleans, `punctuality` and `weather` analyse, `marts` stays in the database; `measures` holds what
they share and `outputs` says which of their values are kept.
"""
