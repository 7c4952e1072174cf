"""Stanford-ORB: real objects in real light, with scanned shape and the light of other places."""
