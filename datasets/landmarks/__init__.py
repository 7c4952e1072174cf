"""Real photo bundles of landmarks with multi-view-stereo geometry, read from pickles."""
