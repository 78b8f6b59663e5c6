"""Experiments: the questions that the lab answers, one module per family of them.

- `trading_day`: recorded ticks through the trading system, on each bus

`EXPERIMENTS` is what can be run. Nothing is imported here: each of them loads when it is used.
"""

EXPERIMENTS = {
    "trading-day": "Where does the old bus stop on recorded ticks, and does the hybrid?",
}
"""The question of each experiment, by the name under which it is run."""
