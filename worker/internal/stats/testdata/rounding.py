"""Writes rounding.csv: a latency in nanoseconds, and the key in milliseconds
that Locust's bucket_response_time gives it with Python's own round.

    python3 rounding.py > rounding.csv
"""

import random


def bucket(milliseconds):
    if milliseconds < 100:
        return round(milliseconds)
    if milliseconds < 1000:
        return int(round(milliseconds, -1))
    if milliseconds < 10000:
        return int(round(milliseconds, -2))
    return int(round(milliseconds, -3))


MILLISECOND = 1_000_000
LARGEST = (2**32 - 1) * 1000  # nanoseconds; longer ones count as this

latencies = {0, 1, LARGEST - 1, LARGEST}
for first, end, unit in ((0, 100, 1), (100, 1_000, 10), (1_000, 10_000, 100), (10_000, 120_000, 1_000)):
    for key in range(first, end, unit):
        half = key * MILLISECOND + unit * MILLISECOND // 2
        for edge in (key * MILLISECOND, half):
            latencies.update((edge - 1, edge, edge + 1))
for key in range(120_000, 4_294_000, 37_000):
    half = key * MILLISECOND + 500 * MILLISECOND
    latencies.update((half - 1, half, half + 1))
latencies.update(int(ms * MILLISECOND) for ms in (99.4, 99.6, 145, 147, 994.9, 999.7, 3432, 9949, 9999.9, 58760))
generator = random.Random(1)
latencies.update(int(10 ** generator.uniform(3, 12.6)) for _ in range(500))

for nanoseconds in sorted(n for n in latencies if 0 <= n <= LARGEST):
    print(f"{nanoseconds},{bucket(nanoseconds / MILLISECOND)}")
