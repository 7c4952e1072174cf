"""Angular errors of surface normals."""
