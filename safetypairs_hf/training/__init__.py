"""Use pairs as training data: batches, losses and augmentation for your own training, and exports to other trainers."""
