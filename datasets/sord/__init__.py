"""Vases of "De-rendering the World's Revolutionary Artefacts": museum photos and rendered ones."""
