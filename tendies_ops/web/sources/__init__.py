"""The places that the pages read: specs, object stores, replicas."""
