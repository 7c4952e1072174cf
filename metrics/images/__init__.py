"""Fidelity of relit and novel views: PSNR, SSIM, LPIPS."""
