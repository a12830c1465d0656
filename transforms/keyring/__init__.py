"""Key references, keysets and providers: one interface, one file a provider, one URI a key.

Start at `open` (a run: keys by reference, opened where they are used) and `admin` (the custodian: init, list, new epoch).
The custody manual is keys/README.md.
"""
