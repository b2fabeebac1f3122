"""The HTTP service: endpoints by name, their workers, and the routes that clients know."""
