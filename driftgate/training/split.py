"""The split into training and validation users by a hash of their key."""

from collections.abc import Iterable
from decimal import Decimal
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

VALIDATION_SHARE = 0.2

_HASH_BYTES = 8


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
    entity are on one side, so a model is never validated on a user of its training.

    Args:
        key: the entity's key.
        seed: of the training.
        share: expected share of entities on the validation side, in [0, 1].
    """
    digest = blake2b(f"{seed}:{key_text(key)}".encode(), digest_size=_HASH_BYTES).digest()
    # The comparison is made on integers, because a quotient of 64 bits would be rounded.
    return int.from_bytes(digest, "big") < int(share * 2 ** (8 * _HASH_BYTES))


def validation_mask(keys: Iterable[object], seed: int, share: float = VALIDATION_SHARE) -> NDArray[np.bool_]:
    """Return `is_validation` of each key, shape (n,)."""
    return np.fromiter((is_validation(key, seed, share) for key in keys), dtype=np.bool_)
