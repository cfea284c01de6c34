"""Sample tickets, Service Catalog and agents for a first run with nothing configured."""
