"""What a model does for its callers: text, images and rows to tensors and back.

Knows the manifest, and what runs graphs by its seams. Knows no wire and no runtime.
"""

from service.tasks.build import Task, build_predict, build_task

__all__ = ["Task", "build_predict", "build_task"]
