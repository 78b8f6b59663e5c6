"""Who is on the bus, who receives what, and the routes that messages take, interned."""

from trio.lowlevel import enable_ki_protection

from genesis_lab.buses.mailbox import Mailbox
from genesis_lab.buses.policies import Policy
from genesis_lab.errors import AlreadyRegistered, NotRegistered, check_text
from genesis_lab.messages import Route
from genesis_lab.observers import Observer

EVERYBODY = ""
"""The target of an event's own route; its deliveries have one each."""


class RequestRoute(Route):
    """A request's route, with what the bus needs to know on the way."""

    __slots__ = ("mailbox", "policies")

    def __init__(self, number: int, source: str, target: str, type: str) -> None:
        super().__init__(number, source, target, type)
        self.mailbox: Mailbox | None = None
        self.policies: tuple[Policy, ...] = ()


class Topic:
    """What one source publishes under one type: the event's route, and one per subscriber."""

    __slots__ = ("route", "subscribers")

    def __init__(self, route: Route, subscribers: list[tuple[Mailbox, Route]]) -> None:
        self.route = route
        self.subscribers = subscribers


class Directory:
    """Components, subscriptions and routes of one bus.

    Names that no record could be written with are refused here: that costs once per route.

    Parameters
    ----------
    observer
        Who is told of new routes.
    includes_emitter
        Whether an event comes back to its source, if that subscribes to it.
    """

    def __init__(self, observer: Observer | None, *, includes_emitter: bool) -> None:
        self._observer = observer
        self._includes_emitter = includes_emitter
        self.mailboxes: dict[str, Mailbox] = {}
        self._subscribers: dict[str, dict[str, Mailbox]] = {}
        self.routes: list[Route] = []
        self.request_routes: dict[tuple[str, str, str], RequestRoute] = {}
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

    def unsubscribe(self, component_id: str, event_type: str) -> None:
        """Remove a subscription, if there is one."""
        self.mailbox(component_id)
        self._subscribers.get(event_type, {}).pop(component_id, None)
        self._topics.clear()

    def mailbox(self, component_id: str) -> Mailbox:
        """A registered component's mailbox."""
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
        route = self.request_routes.get(key)
        if route is None:
            check_text("source", source)
            check_text("target_id", target)
            check_text("request_type", request_type)
            route = RequestRoute(len(self.routes), *key)
            route.mailbox = self.mailboxes.get(target)
            route.policies = self._policies_for(route)
            self.request_routes[key] = route
            self._announce(route)
        return route

    def topic(self, source: str, event_type: str) -> Topic:
        """Where an event goes now, in order of subscription."""
        key = (source, event_type)
        topic = self._topics.get(key)
        if topic is None:
            check_text("source", source)
            check_text("event_type", event_type)
            topic = self._topics[key] = Topic(
                self._route(source, EVERYBODY, event_type),
                [
                    (mailbox, self._route(source, subscriber, event_type))
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
        for route in self.request_routes.values():
            if route.target == target:
                route.mailbox = mailbox

    def _policies_for(self, route: Route) -> tuple[Policy, ...]:
        return tuple(
            policy
            for policy, target, request_type in self._policies
            if target in {None, route.target} and request_type in {None, route.type}
        )
