"""The names of the rows, by which workers, goals and report mean the same thing."""

__all__ = [
    "ALL_RUN",
    "HALF_STOP",
    "KERAS_JAX",
    "KERAS_JAX_50",
    "KERAS_POOL",
    "KERAS_TENSORFLOW",
    "ONE_CORE",
    "TORCH",
    "TORCH_POOL",
    "layers",
    "population",
    "samples",
]

KERAS_JAX = "Keras `fit`, JAX"
KERAS_JAX_50 = "Keras `fit`, JAX, `steps_per_execution=50`"
KERAS_TENSORFLOW = "Keras `fit`, TensorFlow"
KERAS_POOL = "Keras `fit`, JAX, one process a core"
TORCH = "torch eager, fused Adam, one thread"
TORCH_POOL = "torch eager, fused Adam, one process a core"
ONE_CORE = "denselab, 1 member bound to one core"
ALL_RUN, HALF_STOP = "none stopped", "half stopped after 1 of 4 epochs"


def population(members: int, device: str = "") -> str:
    """Names the row of a population.

    Args:
        members: Its size.
        device: The accelerator; empty for the CPU.

    Returns:
        The name.

    Example:
        >>> population(8)
        'denselab, 8 members'
    """
    plural = "" if members == 1 else "s"
    return f"denselab, {members} member{plural}" + (f" on {device}" if device else "")


def layers(depth: int) -> str:
    """Names the row of a depth.

    Args:
        depth: Number of hidden layers.

    Returns:
        The name.
    """
    return f"{depth} hidden layers"


def samples(count: int) -> str:
    """Names the row of a number of training samples.

    Args:
        count: Their number.

    Returns:
        The name.
    """
    return f"{count} samples"
