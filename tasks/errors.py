"""What stops a run of a stage, beside what a user can mend (`BadInput`) and a store that fails (`StorageError`)."""


class WorkFailed(RuntimeError):
    """A stage did not finish, or finished what is not good enough; what was committed stays committed."""


class ShardsFailed(WorkFailed):
    """Some shards failed; the error that the first of them failed with is the cause of this one."""


class OutputRefused(WorkFailed):
    """An output is finished and kept, but is not accepted."""
