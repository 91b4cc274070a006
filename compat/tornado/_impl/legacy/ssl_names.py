"""Whether a certificate is for a host name, as `ssl.match_hostname` said until Python 3.12.

For programs of Tornado 4 that ask; TLS connections of today are checked by OpenSSL. Pure.
"""

from __future__ import annotations

import ipaddress
import ssl
from typing import Any


def match_hostname(cert: Any, hostname: str) -> None:
    """Raise `ssl.CertificateError` unless `cert` (of `getpeercert()`) is for `hostname`."""
    if not cert:
        raise ValueError("empty or no certificate, match_hostname needs a verified one")
    names = cert.get("subjectAltName", ())
    if any(_matches(kind, name, hostname) for kind, name in names):
        return
    if not any(kind in ("DNS", "IP Address") for kind, _name in names):
        # Old certificates have the name in the subject only.
        subject = [value for part in cert.get("subject", ()) for key, value in part
                   if key == "commonName"]  # fmt: skip
        if any(_matches("DNS", name, hostname) for name in subject):
            return
    raise ssl.CertificateError(f"the certificate is not valid for {hostname!r}: {names!r}")


def _matches(kind: str, name: str, hostname: str) -> bool:
    try:
        wanted = ipaddress.ip_address(hostname)
    except ValueError:
        return kind == "DNS" and _dns_matches(name.lower(), hostname.lower())
    return kind == "IP Address" and ipaddress.ip_address(name.strip()) == wanted


def _dns_matches(pattern: str, hostname: str) -> bool:
    """RFC 6125: a wildcard stands for the whole leftmost label and nothing else."""
    if pattern.startswith("*.") and "*" not in pattern[1:]:
        label, dot, rest = hostname.partition(".")
        return bool(label and dot) and rest == pattern[2:] and "." in rest
    return "*" not in pattern and pattern == hostname
