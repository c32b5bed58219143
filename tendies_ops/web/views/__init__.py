"""Models, versions, candidates and releases as the pages show them."""
