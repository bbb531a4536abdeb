"""Integrations: one file per library that the engine meets; nothing else imports them."""
