"""Work: time that a handler takes from its component, as a processor does.

A handler that merely waits (`sleep`, for something outside) leaves the component's processor to
others that are admitted beside it; one that works does not. So eight messages that work one second
each at a `RE_ENTRANT` component are done after eight seconds, and not after one.
"""

from genesis_lab.buses.checks import check_seconds
from genesis_lab.buses.inflight import serving
from genesis_lab.virtual_time import sleep


async def work(seconds: float) -> None:
    """Occupy this handler's component for some time [s of the run's clock].

    A `pool(n)` has n processors, every other admission one. Who works longest waited first.
    Outside handlers there is no component to occupy: it only takes the time.

    Raises
    ------
    InvalidSetting
        `seconds` is not a number of at least zero.
    """
    seconds = check_seconds("seconds", seconds)
    message = serving.get()
    if message is None or message.mailbox is None:
        await sleep(seconds)
        return
    async with message.mailbox.processor:
        await sleep(seconds)
