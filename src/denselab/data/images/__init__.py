"""A folder of small pictures, a folder a class: read with limits, and brought to one size."""

from denselab.data.images.folder import (
    holds_pictures,
    is_image_folder,
    read_image_folder,
    read_pictures,
)

__all__ = ["holds_pictures", "is_image_folder", "read_image_folder", "read_pictures"]
