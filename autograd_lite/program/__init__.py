"""A tape as a program: expressions, their notation, rewriting by laws, passes."""
