"""Mistakes: the table, the places where they can be made, and the search for those that explain."""
