"""Redirect URIs: which are registered, and what goes back to them (RFC 6749 §3.1.2, RFC 9700 §2.1, RFC 9207)."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode, urlsplit, urlunsplit

# RFC 8252 §7.3 and §8.3: the loopback addresses themselves; a name could lead elsewhere.
_LOOPBACK = frozenset({"127.0.0.1", "::1"})


def is_registered(uri: str, registered: Sequence[str], *, is_public: bool) -> bool:
    """Whether `uri` is, character by character, one of `registered`.

    RFC 8252 §7.3: a native app takes any port that is free. So a public client that registered a loopback address without
    a port may name one; nothing else may differ.
    """
    if uri in registered:
        return True
    return is_public and (portless := _without_loopback_port(uri)) is not None and portless in registered


def _without_loopback_port(uri: str) -> str | None:
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme != "http" or host not in _LOOPBACK or port is None:
        return None
    # Taken from the text as it was sent: a rebuilt one could hide a user name or a letter's case.
    address, suffix = f"[{host}]" if ":" in host else host, f":{port}"
    if parts.netloc != address + suffix:
        return None
    prefix = f"http://{address}"
    return prefix + uri[len(prefix) + len(suffix) :] if uri.startswith(prefix + suffix) else None


def response_url(redirect_uri: str, parameters: Mapping[str, str | None]) -> str:
    """`redirect_uri` with `parameters` added to its query, which stays (RFC 6749 §4.1.2); those that are None are left out."""
    parts = urlsplit(redirect_uri)
    added = urlencode({name: value for name, value in parameters.items() if value is not None})
    return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))
