"""Objects With Lighting (Ummenhofer et al., 2024): objects relit in measured light."""
