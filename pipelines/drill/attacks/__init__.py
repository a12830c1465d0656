"""Attackers without a key: each is a function from loot to claims, and may import nothing that reads keys or knows who is who."""
