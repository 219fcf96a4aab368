"""Writes the files here with numpy: two samples as people save them, and one compressed."""
import numpy as np

for i in range(2):
    image = (np.arange(12, dtype=np.uint8) + 12 * i).reshape(2, 2, 3)
    np.savez(f"{i}.npz", image=image, label=np.int64(7 + i), box=np.float32([i, 1, 2, 3]))
image = (np.arange(12, dtype=np.uint8) + 24).reshape(2, 2, 3)
np.savez_compressed("2.npz", image=image, label=np.int64(9), box=np.float32([2, 1, 2, 3]))
