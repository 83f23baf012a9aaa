"""Why a training did not start or did not finish; every message is written for the person who started it.

Knows nothing of exit codes.
"""


class TrainingError(Exception):
    """Root of every error that training raises on purpose."""


class UsageError(TrainingError):
    """What was asked for cannot be done: nothing was trained, and the command line must change."""


class UnknownJob(UsageError):
    """There is no job of that name."""


class SettingsError(UsageError):
    """A setting is unknown or has a value that it cannot have."""


class DataError(UsageError):
    """The data are missing, unreadable or not of the shape that the job documents."""


class RunError(UsageError):
    """A run directory cannot be created, read or continued."""


class Diverged(TrainingError):
    """The loss became NaN or infinite: the weights are worthless from there on."""


class StrategyError(UsageError):
    """Devices or machines cannot train together as asked."""


class WorkerLost(TrainingError):
    """Another worker has gone; what was trained until the last epoch is kept."""


class FormatError(UsageError):
    """A file to begin with is of no known format, or of another model."""
