"""The order in which the targets of SRV records are tried: RFC 2782. Pure, but for the chance it is handed."""

from collections.abc import Callable, Iterable

from ranvier.net.resolver import Service


def in_order(services: Iterable[Service], draw: Callable[[], float]) -> list[Service]:
    """By priority; within one by weighted chance. `draw` gives numbers from 0 up to 1."""
    ordered: list[Service] = []
    waiting = sorted(services, key=lambda service: (service.priority, service.weight))
    while waiting:
        first = waiting[0].priority
        equals = [service for service in waiting if service.priority == first]
        waiting = waiting[len(equals) :]
        while equals:
            ordered.append(equals.pop(_drawn(equals, draw())))
    return ordered


def _drawn(services: list[Service], chance: float) -> int:
    """Which of some services, lightest first, a number from 0 up to 1 stands for."""
    mark = chance * sum(service.weight for service in services)
    for index, service in enumerate(services):
        mark -= service.weight
        if mark <= 0:
            return index
    return len(services) - 1
