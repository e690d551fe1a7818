"""How long what people grant may last; the operator sets it (docs/settings.md)."""

from dataclasses import dataclass
from datetime import timedelta

# RFC 6749 §4.1.2 recommends ten minutes at most; the code is exchanged at once.
CODE = timedelta(seconds=60)
# How long a person may take to sign in and decide.
AUTHORIZATION_REQUEST = timedelta(minutes=10)
LAUNCH = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """`access_token` for apps; `refresh_token` since its last use, `grant` since the user's decision, whatever is used."""

    access_token: timedelta = timedelta(hours=1)
    refresh_token: timedelta = timedelta(days=90)
    grant: timedelta = timedelta(days=365)
