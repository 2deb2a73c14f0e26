"""A folder of small pictures, a folder a class: read with limits, and brought to one size."""

from denselab.data.images.folder import is_image_folder, read_image_folder

__all__ = ["is_image_folder", "read_image_folder"]
