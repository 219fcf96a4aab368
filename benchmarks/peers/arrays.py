"""Peers that read arrays of bytes from `.npy` files and augment one field of them."""

import numpy as np

from torch_peer import augmenting, with_opencv


def torch_forms(work):
    """All steps of `transforms.v2` on tensors of bytes, of planes or of a view of colours."""
    import torch

    import torch_chain

    chain = work.augment
    run = torch_chain.of_tensors(chain)

    def as_stored(path):
        image = torch.from_numpy(np.load(path))
        return run(image if chain.planes else image.permute(2, 0, 1))

    def in_planes(path):
        return run(torch.from_numpy(np.load(path)).permute(2, 0, 1).contiguous())

    if chain.planes:
        return augmenting(work, {"": as_stored})
    return augmenting(work, {"colours last": as_stored, "made planes first": in_planes})


def torch_pil_forms(work):
    """All steps of `transforms.v2` on images of PIL."""
    from PIL import Image

    import torch_chain

    chain = work.augment
    chain.needs_colours()
    run = torch_chain.of_pil(chain)

    def read(path):
        array = np.load(path)
        return run(Image.fromarray(array.transpose(1, 2, 0).copy() if chain.planes else array))

    return augmenting(work, {"": read})


def opencv_forms(work):
    """OpenCV on arrays with colours last, by albumentations or by hand."""
    import opencv_chain

    last = opencv_chain.colours_last(work.augment)
    return augmenting(work, with_opencv(work.augment, lambda path: last(np.load(path))))


# As in `loader.py`.
PEERS = {
    "torch": (
        torch_forms,
        ["torch", "torchvision", "numpy"],
        ["its workers are processes; the chain is torchvision's transforms.v2, image by image"],
    ),
    "torch_pil": (
        torch_pil_forms,
        ["torch", "torchvision", "pillow", "numpy"],
        ["its workers are processes; the chain is torchvision's transforms.v2, image by image"],
    ),
    "opencv": (
        opencv_forms,
        ["opencv-python-headless", "opencv-python", "albumentations", "torch", "numpy"],
        ["its workers are processes of torch's DataLoader; areas are averaged where an image shrinks"],
    ),
}
