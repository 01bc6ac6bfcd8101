"""Access to the page: which hosts a request may name, from where it may come, and the
token that it needs beyond this machine.

A website can make its own name resolve to this machine (DNS rebinding), send forms and
requests here, or show this page in a frame. So the Host of a request must be an
address, or a name that was listed; its Origin must be this page; and answers carry
headers that keep other pages out.
"""

import hmac
import ipaddress
import os
import re
import secrets
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import Errors, KnnNerError

# The environment variable with a token, so that it is the same after each start.
TOKEN = "KNN_NER_TOKEN"
# A name or an address, and perhaps a port: no path, and no user.
_HOST = re.compile(r"[^/?#@\\\s]+")
_POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",  # no other page can frame this one
    ]
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Access:
    """What requests are answered.

    address (str): Where the server listens.
    names (frozenset[str]): Names of this machine that a request may use, in lower case.
    token (str | None): What a request must carry; on a loopback address perhaps None.
    """

    address: str
    names: frozenset[str]
    token: str | None

    @classmethod
    def at(cls, host: str, allowed_hosts: Iterable[str] = ()) -> "Access":
        """Decide by the address.

        host (str): An address or a name.
        allowed_hosts (Iterable[str]): More names that requests may use.
        RETURNS (Access): With the token that the environment sets; beyond loopback
            otherwise with a new one.
        RAISES (KnnNerError): If it is no address of this machine, or the token cannot
            be sent.
        """
        address = _address(host)
        names = {"localhost", host.lower(), *(name.lower() for name in allowed_hosts)}
        token = os.environ.get(TOKEN) or None
        if token is not None and not (token.isascii() and token.isprintable()):
            raise KnnNerError(Errors.E132, name=TOKEN)
        if is_loopback(address):
            return cls(address, frozenset(names), token)
        names.add(socket.gethostname().lower())
        return cls(address, frozenset(names), token or secrets.token_urlsafe(24))

    def refusal(self, host: str, headers: Mapping[str, str], *, is_page: bool) -> str:
        """Check where a request comes from, and for which host it is.

        host (str): Its Host, with port.
        headers (Mapping[str, str]): Its headers, whatever their case.
        is_page (bool): It only opens the page, which other pages may link to.
        RETURNS (str): Why it is refused; empty if it is not.
        """
        name = _hostname(f"//{host}") if _HOST.fullmatch(host) else ""
        if not self._is_ours(name):
            return f"This page is not at {host}. Name it with --allowed-host."
        origin = headers.get("Origin")
        if origin is not None and _netloc(origin) != host.lower():
            return f"Requests from {origin} are refused."
        site = headers.get("Sec-Fetch-Site", "none")
        if site not in ("none", "same-origin") and not is_page:
            return "Requests from other pages are refused."
        return ""

    def _is_ours(self, name: str) -> bool:
        if name in self.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        # No website has an address as its name. On loopback, only such a one gets here.
        return not is_loopback(self.address) or is_loopback(name)

    def knows(self, token: str | None) -> bool:
        """Check a token.

        token (str | None): Of a request.
        """
        if self.token is None:
            return True
        return token is not None and hmac.compare_digest(
            token.encode(errors="replace"), self.token.encode()
        )


def is_loopback(address: str) -> bool:
    """Check whether only this machine can reach an address.

    address (str): An IP address.
    """
    ip = ipaddress.ip_address(address)
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_loopback


def _address(host: str) -> str:
    """The address of a host name."""
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise KnnNerError(Errors.E113, host=host, reason=error) from error
    addresses = sorted(str(info[4][0]) for info in found)
    return next((a for a in addresses if ":" not in a), addresses[0])


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _hostname(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
