"""Image-editing models: each edits a batch of images by instructions, with one seed for each image."""
