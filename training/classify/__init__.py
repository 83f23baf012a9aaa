"""Jobs that answer with a label. Knows none of the other words."""
