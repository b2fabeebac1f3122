"""Several artifacts that answer as one."""
