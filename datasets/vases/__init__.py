"""Path-traced vases: scene generation, the renderer, the committed split and its adapter."""
