"""Intrinsic Images in the Wild (Bell et al., 2014): photos, and judgements of lightness."""
