"""Ways to generate tokens for many callers, compared on the same graphs and the same arrivals."""
