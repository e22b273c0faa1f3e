"""What a published version is: schema, manifest, data files, card and sidecars, and how it is read (`store/`)."""
