"""What the buses cost, as ratios measured in one run: `python -m genesis_lab.bench`.

`measuring` takes the medians, `claims` says what is to be read from them, `table` and `machine`
print it. One module per family of measurements, each with its `FAMILY`: `requests`, `deliveries`,
`recording`, `queueing`, `detection`, `scaling`, `analysis`, `sweeping`, `dashboard`;
`asyncio_design` is the original that they are compared with.
"""
