"""Who may call the service, and how much: secrets, signatures, TLS, limits."""
