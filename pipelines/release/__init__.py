"""Manifest, signing and commit protocol of a release."""
