"""A lock that ends with the process that holds it, however that ends."""

import fcntl


def take_lock(descriptor: int) -> bool:
    """Lock an open file or folder for this process, and for those that inherit the descriptor.

    Returns:
        False where another process holds the lock.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
