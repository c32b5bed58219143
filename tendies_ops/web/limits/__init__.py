"""Keep the pages from taking the time of the API server that serves them."""
