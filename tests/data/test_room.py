"""The room as a whole: what opening it costs, and what it shows."""

import subprocess
import sys

from denselab import data


def test_opening_the_room_loads_no_heavy_library():
    heavy = ["jax", "keras", "torch", "tensorflow", "sklearn", "polars", "PIL", "pooch", "scipy"]
    program = (
        f"import denselab.data, sys; print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_every_public_name_is_there_sorted_and_documented():
    assert data.__all__ == sorted(data.__all__)
    for name in set(data.__all__) - {"Progress", "Task"}:  # Aliases of types carry no text.
        assert getattr(data, name).__doc__, name
