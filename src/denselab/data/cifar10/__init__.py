"""CIFAR-10 in every layout it is found in; one file a layout."""

from denselab.data.cifar10.layout import Rows
from denselab.data.cifar10.source import CIFAR10_URL, fetch_cifar10, load_cifar10

__all__ = ["CIFAR10_URL", "Rows", "fetch_cifar10", "load_cifar10"]
