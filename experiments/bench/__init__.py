"""`msw bench`: how fast the laboratory is, as ratios to peers and to this machine's own peaks.

One file a measured thing (`peaks`, `training`, `decoding`, `stream`, `cells`, `growth`,
`ensemble`), each with the works that a worker process does and the rows made of its rates.
`contest` runs competitors in turns, so that a busy machine slows all of them; `log` keeps dated
results and `show` prints them.
"""
