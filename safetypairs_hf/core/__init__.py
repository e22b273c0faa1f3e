"""The ground floor: errors, records, ids, versions, images, the run folder, calls to the Hub. It imports no room."""
