"""Dataflows and scripts as teams write them; `test_port` runs them as they stand and with the other import root."""
