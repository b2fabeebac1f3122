"""The commands that talk to a service: endpoints, jobs, and learning from a query."""
