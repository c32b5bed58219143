"""One batch run or many: what they wrote, read for the pages."""
