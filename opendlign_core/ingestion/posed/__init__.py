"""Photos of objects whose pose is known: annotations, crops, CADs and the published folders of ImageNet3D."""
