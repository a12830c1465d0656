"""The page of one run: a frozen model, then HTML made from it, for the data protection officer.

Holds counts, rates, words of policies and contract, and one person who does not exist; never a value of the export.
"""
