"""The breach drill: every release is attacked with what a thief would have, and the result is a number.

`attacks` holds the attackers. They receive a `Loot` (release directories and public knowledge) and give claims; who is who is known
to `truth` alone, which scores what they claim. `stolen_key` is the one attacker that is handed a key.
"""
