"""Assigning a batch of tickets to agents."""
