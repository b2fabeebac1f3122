"""https from a certificate's files."""

import ssl

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import InvalidSettings
from neptuneml_plugin.service.security.secretfiles import check_private


def server_context(config: ServiceConfig) -> ssl.SSLContext | None:
    """Return what the service speaks TLS with; None where no certificate is set.

    Raises:
        InvalidSettings: one file without the other, a key open to others, or files that do not fit.
    """
    certificate, key = config.tls_certificate, config.tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise InvalidSettings("settings", ["tls_certificate and tls_key go together: give both"])
    check_private(key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        told = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise InvalidSettings(
            str(certificate), [f"is not a PEM certificate that fits the PEM key {key}: {told}"]
        ) from None
    return context


def _no_password() -> str:
    """Keep OpenSSL from asking at the terminal."""
    raise ValueError("the key is encrypted; give one without a passphrase, readable by the service alone")
