"""What the process whose copies train and export has loaded (see `deploy.child`): TensorFlow, not yet at work.

TensorFlow has no threads and looks for no devices before its first operation, so that copies are whole, and each may
still choose its devices and threads.
"""

from training.quiet import import_tensorflow

try:
    import_tensorflow()
except KeyboardInterrupt:  # whoever asked for it hears of the interrupt as well, and says so
    raise SystemExit(130) from None
