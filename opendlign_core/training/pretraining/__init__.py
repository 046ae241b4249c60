"""The learner of the small CLIP that ships with the product: contrastive training from scratch."""
