"""What only the torch backend needs: no gradients, and a seed for its global generator.

Keras on torch draws the masks of a layer made without a seed from torch's global generator, and
not from the layer's own (`keras.random.dropout`, up to 3.15.1).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import Any

import keras

__all__ = ["global_seed", "no_gradients"]


@contextmanager
def global_seed(seed: Callable[[], int]) -> Iterator[None]:
    """Seeds torch's global generator for a moment; does nothing on other backends.

    Args:
        seed: Gives the seed; not called on other backends, where it may be unknown yet.

    Yields:
        Nothing; on leaving, the generator is where it was.
    """
    if keras.backend.backend() != "torch":
        yield
        return
    torch = _torch()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed())
        yield


def no_gradients() -> AbstractContextManager[Any]:
    """Keeps torch from recording gradients; does nothing on other backends.

    Returns:
        A context manager.
    """
    if keras.backend.backend() != "torch":
        return nullcontext()
    return _torch().no_grad()


def _torch() -> Any:
    # By name, since torch is an extra that type checks must pass without.
    return import_module("torch")
