from .aligned import aligned_photo as aligned_photo
from .posed import depth_maps as depth_maps
from .posed import seen_depth as seen_depth
from .rasterize import Layers as Layers
from .rasterize import rasterize_layers as rasterize_layers
from .recipe import AlignRecipe as AlignRecipe
