"""Components and traffic: what is put on a bus to see how it behaves.

From the bottom up:

- `durations`: how long something takes, as values
- `scripted`: components and clients whose behaviour is data
- `services`: components that take a random time; `arrivals`: traffic for them
- `failing`: services that fail by chance; `random_calls`: call graphs drawn for each client
- `ticks`: recorded trades, read from files
- `genesis`: the trading system; `trading_day`: ticks replayed through it

Nothing is imported here: each of them loads when it is used.
"""
