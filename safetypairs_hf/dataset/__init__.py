"""Published versions: schema, manifest, data files, card and other sidecar files, and reading them (`store/`)."""
