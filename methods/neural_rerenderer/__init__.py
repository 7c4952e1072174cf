"""Neural Rerendering in the Wild: a deep framebuffer under an appearance becomes a photo."""
