"""The architectures: what carries requests and events between components, one file each.

From the top: `architectures` is the registry; `synchronous`, `hybrid`, `as_written`, `layered` and
`dedicated_queues` are the buses; `base` holds what they share. `requests` is the life of a request,
`events` that of an event, and `sending` what both need. `service` runs a handler, from the gates to
the record; `dispatcher` does so for deliveries from inboxes. `ledger` keeps what is in flight, and
reports it once; `directory` knows who is on the bus, and the way of each kind of request. `mailbox`
is a component on its bus, `gates` admit messages, `links` take their time, `listening` waits for an
event, `processors` are occupied by work. `identity` says whose part a message is and who waits for
it; `inflight` are the messages; `policies` may stand before requests; `unprotected` calls a
component's code. `explanations`, `failures` and `statistics` tell people what a bus is doing.

Nothing here imports pandas or matplotlib, and names are loaded when they are first used
(`__init__.pyi` says from where): the registry can be read without trio.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
