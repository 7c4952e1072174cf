"""DiLiGenT (Shi et al., 2016): photometric stereo of ten objects with measured normals."""
