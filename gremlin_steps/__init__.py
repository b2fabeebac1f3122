"""The Gremlin side: token names for Python drivers, and the plugin's jar."""
