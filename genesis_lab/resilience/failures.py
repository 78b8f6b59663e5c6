"""Which ends of a request are failures that another attempt, or a pause, may cure."""

from genesis_lab.errors import HandlerFailed, RequestTimedOut, TargetGone

FAILURES = (RequestTimedOut, HandlerFailed, TargetGone)
"""What another attempt, or a pause, may cure.

Not among them: an unknown target stays unknown; a deadlock that was refused would be closed anew,
since the caller that retries keeps the places that it holds; a rejection is to be heard of at once.
"""
