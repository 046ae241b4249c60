"""3DETR-m, which proposes boxes for a scene: the published network in plain PyTorch, for CPU and CUDA, inference only.

The network's frame is the scan's, z up and in metres; `propose` takes and gives y up.
"""
