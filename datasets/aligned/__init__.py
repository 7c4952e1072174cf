"""Photos and renders of a point cloud from the same cameras: the folders of neural rerendering."""
