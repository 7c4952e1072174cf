"""Objects rendered in Blender from many views: NeRF-synthetic and what descends from it."""
