"""Bytes in, print-sized metadata-free JPEG out; no Beam, no policy."""
