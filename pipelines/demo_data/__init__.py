"""A synthetic police force: people, names, broken rows, drawn portraits and the writers of an export.

Nothing here is about a real person: names are drawn from lists, portraits from curves and noise. What a real export is full of is
here on purpose: aliases that predict the pay number, vetting in every level, names that are also words, photos that say where
they were taken.
"""
