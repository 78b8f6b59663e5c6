"""The architectures: what carries requests and events between components, one file each.

From the top: `architectures` is the registry; `synchronous`, `hybrid`, `as_written`, `layered` and
`dedicated_queues` are the buses; `base` holds what they share, `requests` the life of a request;
`dispatcher` handles deliveries from inboxes; `ledger` keeps what is in flight, and reports it once;
`directory` knows who is on the bus; `mailbox` is a component's gate and inbox; `policies` may stand
before requests; `inflight` are the messages; `unprotected` calls a component's code; `statistics`
reads from all of this what the bus is doing now.

Nothing here imports pandas or matplotlib, and names are loaded when they are first used
(`__init__.pyi` says from where): the registry can be read without trio.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
