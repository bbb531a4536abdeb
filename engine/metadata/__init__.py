"""The metadata: the record of every run, its node lineage and its outputs, as rows that plain SQL can ask."""
