"""What every test of this tree runs under."""

from hypothesis import settings

# On top of what is set already (the same examples every time, where `CI` is set): a busy machine takes longer for one
# example than for another, which is no finding.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")
