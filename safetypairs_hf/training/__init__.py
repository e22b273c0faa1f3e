"""Pairs as training data: batches, losses and augmentation for one's own training, and exports to other trainers."""
