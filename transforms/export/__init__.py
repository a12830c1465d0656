"""Readers of HR exports: bytes in, whole Arrow columns with the place of each row out."""
