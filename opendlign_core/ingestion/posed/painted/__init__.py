"""An ImageNet3D of procedural shapes: their meshes as CADs, and painted photos of them at random poses."""
