"""Canonicalise, mac, format, derive: from a person to a token."""
