"""Triagedesk takes the manual triage out of an IT service desk."""

__version__ = "0.1.0"
