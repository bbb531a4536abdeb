"""Testing: what the author of an extension subclasses to prove that it keeps its contract.

Each suite is a class of pytest tests that says in its docstring what to set. The built-in extensions pass the same.
"""
