"""The MIT intrinsic images (Grosse et al., 2009): objects with measured shading and reflectance."""
