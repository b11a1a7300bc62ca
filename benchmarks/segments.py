"""How often a segment is named where the drop is the same everywhere, and found where it is planted. Prints Markdown.

A validation and a month are drawn many times. The entities have 46 segments by 14 features without a relation to
anything. In a month whose model is worse everywhere alike none is to be named; in the other the drop is in the first
category of one feature, which holds 41% of the entities.
"""

import argparse
import time

import numpy as np

from driftgate.measures import LabelKind
from driftgate.performance.bootstrap import Scored
from driftgate.performance.findings import Segment, SegmentKind, Segments
from driftgate.performance.segments import Candidate, find_segments

RATE = 0.01
SIZES = ((400, 2000), (1400, 7043))
FEATURES = [(0.41, 0.34, 0.25)] * 2 + [(0.55, 0.25, 0.2)] * 2 + [(0.5, 0.5)] * 3 + [(0.25,) * 4] * 7
WEAK = {LabelKind.BOOLEAN: 0.5, LabelKind.NUMERIC: 1.0, LabelKind.CATEGORICAL: 0.5}
PLANTED = "f0 = 0"

Groups = list[np.ndarray]


def groups(random: np.random.Generator, rows: int) -> Groups:
    return [random.choice(len(shares), rows, p=shares) for shares in FEATURES]


def side(random: np.random.Generator, kind: LabelKind, strength: np.ndarray, first: int) -> Scored:
    """Entities whose labels follow the model's score by `strength`; less of it makes the model worse."""
    rows = len(strength)
    keys = np.arange(first, first + rows).astype(str)
    if kind is LabelKind.NUMERIC:
        labels = random.normal(size=rows)
        return Scored(keys, labels, labels + random.exponential(size=rows) / strength, kind)
    value = random.normal(size=rows)
    labels = (random.random(rows) < 1 / (1 + np.exp(1.3 - strength * value))).astype(float)
    scores = 1 / (1 + np.exp(1.3 - 2 * value))
    return Scored(keys, labels, scores if kind is LabelKind.BOOLEAN else np.c_[1 - scores, scores], kind)


def searched(kind: LabelKind, sizes: tuple[int, int], planted: bool, seed: int) -> Segments:
    random = np.random.default_rng(seed)
    old, new = (groups(random, rows) for rows in sizes)
    strength = np.where((new[0] == 0) | (not planted), WEAK[kind], 2.0)
    ref = side(random, kind, np.full(sizes[0], 2.0), 0)
    # Every second month has the entities of the validation, as a champion's own reference month has.
    cur = side(random, kind, strength, sizes[0] * (seed % 2))
    candidates = [
        Candidate(Segment(f"f{number}", SegmentKind.CATEGORY, str(at)), old[number] == at, new[number] == at)
        for number, shares in enumerate(FEATURES)
        for at in range(len(shares))
    ]
    return find_segments(ref, cur, candidates, RATE, 30)


def row(kind: LabelKind, sizes: tuple[int, int], rounds: int) -> str:
    started = time.process_time()
    alarms = sum(bool(searched(kind, sizes, False, seed).named) for seed in range(rounds))
    first = []
    for seed in range(rounds):
        named = searched(kind, sizes, True, seed).named
        first.append((named[0].segment.name if named else "", len(named)))
    found = sum(name == PLANTED for name, _ in first)
    alone = sum(name == PLANTED and count == 1 for name, count in first)
    shares = " | ".join(f"{100 * count / rounds:.1f}" for count in (alarms, found, alone))
    milliseconds = 1000 * (time.process_time() - started) / (2 * rounds)
    return f"| {kind} | {sizes[0]:,} and {sizes[1]:,} | {shares} | {milliseconds:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    print("| label | entities | named where none is | planted one first | it alone | ms of CPU |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind in LabelKind:
        for sizes in SIZES:
            print(row(kind, sizes, rounds), flush=True)


if __name__ == "__main__":
    main()
