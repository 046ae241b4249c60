from .rasterize import Layers as Layers
from .rasterize import rasterize_layers as rasterize_layers
