"""Execution: a plan is carried out, one way for every kind of call."""
