"""How Sluice is run: on this machine, and later in containers and clusters."""
