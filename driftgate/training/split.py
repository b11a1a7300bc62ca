"""The split into training and validation by a hash of the entity's key, or of its group where it has one."""

import math
from collections.abc import Iterable
from decimal import Decimal
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

VALIDATION_SHARE = 0.2
GROUP_SHARE = 1 / 3
"""Of the groups, of which there are few: a third of the days of a month says more than a fifth."""

_HASH_BYTES = 8
# Halves are drawn of what was drawn, so that the two must not go by the same hashes.
_DRAW = 1_000_000


def key_text(key: object) -> str:
    """Return the same text for a key of any type: 5, numpy's 5 and 5.0 are the same entity.

    >>> key_text(5), key_text(5.0), key_text("7590-VHVEG")
    ('5', '5', '7590-VHVEG')
    """
    if isinstance(key, Decimal) and key.is_finite() and key == key.to_integral_value():
        return str(int(key))
    if isinstance(key, float) and key.is_integer():
        return str(int(key))
    return str(key)


def is_validation(key: object, seed: int, share: float = VALIDATION_SHARE) -> bool:
    """Return whether an entity is on the validation side.

    The side depends on seed and key only, so it is the same in every month, row order and process. All rows of an
    entity are on one side, so a model is never validated on an entity of its training.

    Args:
        key: the entity's key.
        seed: of the training.
        share: expected share of entities on the validation side, in [0, 1].
    """
    # The comparison is made on integers, because a quotient of 64 bits would be rounded.
    return int.from_bytes(_digest(key, seed), "big") < int(share * 2 ** (8 * _HASH_BYTES))


def validation_mask(keys: Iterable[object], seed: int, share: float = VALIDATION_SHARE) -> NDArray[np.bool_]:
    """Return `is_validation` of each key, shape (n,)."""
    return np.fromiter((is_validation(key, seed, share) for key in keys), dtype=np.bool_)


def group_mask(groups: NDArray[np.str_], seed: int, share: float = GROUP_SHARE) -> NDArray[np.bool_]:
    """Return which rows are on the validation side, shape (n,), where rows of one group are on one side.

    These are the groups with the smallest hashes. There are few groups, and so their number must not be left to chance.

    Args:
        groups: of each row, shape (n,).
        seed: of the training.
        share: of the groups on the validation side, rounded up, in [0, 1].
    """
    names, at = np.unique(groups, return_inverse=True)
    order = np.argsort([_digest(name, seed) for name in names.tolist()])
    chosen = np.zeros(len(names), dtype=np.bool_)
    # Of 30 groups a third is 10, whatever the rounding.
    chosen[order[: math.ceil(share * len(names) - 1e-9)]] = True
    mask: NDArray[np.bool_] = chosen[at]
    return mask


def held_out(
    keys: NDArray[np.str_], groups: NDArray[np.str_] | None, seed: int, share: float | None = None
) -> NDArray[np.bool_]:
    """Return which entities are on the validation side: by `validation_mask`, with groups by `group_mask`.

    Args:
        keys, groups: of each entity, shape (n,); None where each stands alone.
        seed: of the split.
        share: on the validation side; by default `VALIDATION_SHARE` of the entities, or `GROUP_SHARE` of the groups.
    """
    if groups is None:
        return validation_mask(keys.tolist(), seed, VALIDATION_SHARE if share is None else share)
    return group_mask(groups, seed, GROUP_SHARE if share is None else share)


def drawn_mask(units: NDArray[np.str_], most: int, seed: int) -> NDArray[np.bool_]:
    """Return which rows are kept, shape (n,), where there are to be about `most`: those of the smallest hashes.

    An entity that is in two months is kept in both or left out in both, as far as they are of one size.

    Args:
        units: of each row: entities, or groups of them, which are kept or left out as one.
        most: rows; of fewer all are kept.
        seed: the same seed and units give the same rows.
    """
    if len(units) <= most:
        return np.ones(len(units), dtype=np.bool_)
    return group_mask(units, seed + _DRAW, most / len(units))


def _digest(key: object, seed: int) -> bytes:
    return blake2b(f"{seed}:{key_text(key)}".encode(), digest_size=_HASH_BYTES).digest()
