"""The vase de-renderer: shape, pose, albedo, gloss and light of a vase from one photo (SoRD)."""
