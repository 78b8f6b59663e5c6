"""Who is on the bus, who receives what, and the routes that messages take, interned."""

from collections import defaultdict
from collections.abc import Callable
from math import inf
from typing import NamedTuple, Protocol

from trio.lowlevel import enable_ki_protection

from genesis_lab.buses.gates import Gate, Path
from genesis_lab.buses.links import Link, Links
from genesis_lab.buses.mailbox import Mailbox
from genesis_lab.buses.policies import Policy
from genesis_lab.components import DEFAULT_TIMEOUT
from genesis_lab.errors import AlreadyRegistered, NotRegistered, check_text
from genesis_lab.messages import Route
from genesis_lab.observers import Observer

EVERYBODY = ""
"""The target of an event's own route; its deliveries have one each."""


class Timeouts(Protocol):
    """The timeouts of requests that give none."""

    def of(self, target: str, request_type: str) -> float | None:
        """Seconds; None: no limit."""


PathOf = Callable[[Gate, bool], Path]
"""The gates that a message passes, from its component's gate and whether it is nested."""


class RequestRoute(Route):
    """A request's route, with what the bus needs to know on the way.

    All of it is worked out once per route: on the hot path there is one look-up.
    """

    __slots__ = (
        "answers_plainly",
        "link",
        "mailbox",
        "nested_path",
        "path",
        "policies",
        "reply_link",
        "timeout",
    )

    def __init__(self, number: int, source: str, target: str, type: str) -> None:
        super().__init__(number, source, target, type)
        self.mailbox: Mailbox | None = None
        self.policies: tuple[Policy, ...] = ()
        self.path: Path = ()
        """The gates of a request that begins a call chain."""
        self.nested_path: Path = ()
        """The gates of a request that is part of one."""
        self.answers_plainly = False
        """Whether its target may answer at once, if the gates are open."""
        self.link: Link | None = None
        self.reply_link: Link | None = None
        self.timeout: float = DEFAULT_TIMEOUT
        """Of requests that give none [s]."""


class Subscriber(NamedTuple):
    """One subscriber of a topic."""

    mailbox: Mailbox
    route: Route
    """Of the deliveries from the topic's source."""
    link: Link | None


class Topic:
    """What one source publishes under one type: the event's route, and one per subscriber."""

    __slots__ = ("route", "subscribers")

    def __init__(self, route: Route, subscribers: list[Subscriber]) -> None:
        self.route = route
        self.subscribers = subscribers


class Directory:
    """Components, subscriptions and routes of one bus.

    Names that no record could be written with are refused here: that costs once per route.

    Parameters
    ----------
    observer
        Who is told of new routes.
    path_of
        The bus's decision which gates a message passes.
    links
        The links between components.
    timeouts
        The timeouts of requests that give none; None: 5 s.
    includes_emitter
        Whether an event comes back to its source, if that subscribes to it.
    serves_in_place
        Whether a service runs in its caller's task, so that a plain handler may answer at once.
    """

    def __init__(
        self,
        observer: Observer | None,
        *,
        path_of: PathOf,
        links: Links,
        timeouts: Timeouts | None,
        includes_emitter: bool,
        serves_in_place: bool,
    ) -> None:
        self._observer = observer
        self._path_of = path_of
        self._links = links
        self._timeouts = timeouts
        self._includes_emitter = includes_emitter
        self._serves_in_place = serves_in_place
        self.mailboxes: dict[str, Mailbox] = {}
        self._subscribers: dict[str, dict[str, Mailbox]] = {}
        self.routes: list[Route] = []
        self.request_routes: dict[tuple[str, str, str], RequestRoute] = {}
        self._routes_to: defaultdict[str, list[RequestRoute]] = defaultdict(list)
        self._plain_routes: dict[tuple[str, str, str], Route] = {}
        self._topics: dict[tuple[str, str], Topic] = {}
        self._policies: list[tuple[Policy, str | None, str | None]] = []

    def register(self, mailbox: Mailbox) -> None:
        """Add a component under its id."""
        component_id = mailbox.component.id
        check_text("id", component_id)
        if component_id in self.mailboxes:
            raise AlreadyRegistered(component_id)
        self.mailboxes[component_id] = mailbox
        self._point_routes(component_id, mailbox)

    def unregister(self, component_id: str) -> Mailbox:
        """Remove a component and its subscriptions; the mailbox that it had."""
        mailbox = self.mailbox(component_id)
        mailbox.is_registered = False
        del self.mailboxes[component_id]
        for subscribers in self._subscribers.values():
            subscribers.pop(component_id, None)
        self._topics.clear()
        self._point_routes(component_id, None)
        return mailbox

    def subscribe(self, component_id: str, event_type: str) -> None:
        """Add a subscription."""
        mailbox = self.mailbox(component_id)
        check_text("event_type", event_type)
        self._subscribers.setdefault(event_type, {})[component_id] = mailbox
        self._topics.clear()

    def is_subscribed(self, component_id: str, event_type: str) -> bool:
        """Whether a component receives the events of a type."""
        return component_id in self._subscribers.get(event_type, {})

    def unsubscribe(self, component_id: str, event_type: str) -> None:
        """Remove a subscription, if there is one."""
        self.mailbox(component_id)
        check_text("event_type", event_type)
        self._subscribers.get(event_type, {}).pop(component_id, None)
        self._topics.clear()

    def mailbox(self, component_id: str) -> Mailbox:
        """A registered component's mailbox."""
        check_text("component_id", component_id)
        mailbox = self.mailboxes.get(component_id)
        if mailbox is None:
            raise NotRegistered(component_id, tuple(self.mailboxes))
        return mailbox

    def add_policy(self, policy: Policy, target: str | None, request_type: str | None) -> None:
        """Put a policy before the requests to a target, of a type, or (None) any."""
        self._policies.append((policy, target, request_type))
        for route in self.request_routes.values():
            route.policies = self._policies_for(route)

    @enable_ki_protection
    def request_route(self, source: str, target: str, request_type: str) -> RequestRoute:
        """A request's route, new ones announced."""
        key = (source, target, request_type)
        check_text("source", source)
        check_text("target_id", target)
        check_text("request_type", request_type)
        route = self.request_routes.get(key)
        if route is None:
            route = RequestRoute(len(self.routes), *key)
            route.link = self._links.between(source, target)
            route.reply_link = self._links.between(target, source)
            if self._timeouts is not None:
                seconds = self._timeouts.of(target, request_type)
                route.timeout = inf if seconds is None else seconds
            route.policies = self._policies_for(route)
            self._point(route, self.mailboxes.get(target))
            self.request_routes[key] = route
            self._routes_to[target].append(route)
            self._announce(route)
        return route

    def topic(self, source: str, event_type: str) -> Topic:
        """Where an event goes now, in order of subscription."""
        key = (source, event_type)
        try:
            topic = self._topics.get(key)
        except TypeError:  # what cannot be hashed is no name
            topic = None
        if topic is None:
            check_text("source", source)
            check_text("event_type", event_type)
            topic = self._topics[key] = Topic(
                self._route(source, EVERYBODY, event_type),
                [
                    Subscriber(
                        mailbox,
                        self._route(source, subscriber, event_type),
                        self._links.between(source, subscriber),
                    )
                    for subscriber, mailbox in self._subscribers.get(event_type, {}).items()
                    if self._includes_emitter or subscriber != source
                ],
            )
        return topic

    def _route(self, source: str, target: str, type: str) -> Route:
        key = (source, target, type)
        route = self._plain_routes.get(key)
        if route is None:
            route = self._plain_routes[key] = Route(len(self.routes), *key)
            self._announce(route)
        return route

    def _announce(self, route: Route) -> None:
        self.routes.append(route)
        if self._observer is not None:
            self._observer.route_opened(route)

    def _point_routes(self, target: str, mailbox: Mailbox | None) -> None:
        for route in self._routes_to.get(target, ()):
            self._point(route, mailbox)

    def _point(self, route: RequestRoute, mailbox: Mailbox | None) -> None:
        """Let a route lead to a mailbox, or nowhere."""
        route.mailbox = mailbox
        if mailbox is None:
            return
        gate = mailbox.gate_for(route.type)
        route.path = self._path_of(gate, False)
        route.nested_path = self._path_of(gate, True)
        is_at_once = route.link is None and route.reply_link is None
        route.answers_plainly = mailbox.serves_plainly and is_at_once and self._serves_in_place

    def _policies_for(self, route: Route) -> tuple[Policy, ...]:
        return tuple(
            policy
            for policy, target, request_type in self._policies
            if target in {None, route.target} and request_type in {None, route.type}
        )
