"""Jobs that answer with a score and a verdict. Knows none of the other words."""
