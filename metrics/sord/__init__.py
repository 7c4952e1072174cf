"""The scores of the vase de-renderer's own evaluation script, under the protocol `sord` alone."""
