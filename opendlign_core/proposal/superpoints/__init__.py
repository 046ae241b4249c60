"""Boxes for a scene without any weights: surfaces that bend little are pieces, and pieces that touch are things."""
