"""Albedo and shading against the truth: PSNR, scale-invariant MSE, local MSE, WHDR."""
