"""Writes the files of tokens beside it, with the calls of the programs whose files they are.

nanoGPT's prepare.py makes a numpy array of uint16 and calls its tofile. llm.c's write_datafile writes
256 int32 and the tokens. Megatron's IndexedDatasetBuilder writes the tokens to .bin, and to .idx a header,
the lengths and the pointers of sequences and the bounds of documents. python make.py
"""

import struct
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
END = 50256


def document(number, length):
    return [(number * 1000 + 7 * at) % 50000 for at in range(length)]


DOCUMENTS = [document(number, length) for number, length in enumerate([5, 30, 1, 12])]


def nanogpt(path):
    ids = [token for tokens in DOCUMENTS for token in tokens + [END]]
    np.array(ids, dtype=np.uint16).tofile(path)


def llm_c(path, documents, magic, version, dtype):
    tokens = np.array([token for own in documents for token in [END] + own], dtype=dtype)
    header = np.zeros(256, dtype=np.int32)
    header[0], header[1], header[2] = magic, version, len(tokens)
    with open(path, "wb") as file:
        file.write(header.tobytes())
        file.write(tokens.tobytes())


def megatron(prefix, code, dtype):
    width = np.dtype(dtype).itemsize
    # The second document is of two sequences.
    sequences = [DOCUMENTS[0], DOCUMENTS[1][:10], DOCUMENTS[1][10:], DOCUMENTS[2], DOCUMENTS[3]]
    bounds = [0, 1, 3, 4, 5]
    with open(f"{prefix}.bin", "wb") as file:
        for tokens in sequences:
            file.write(np.array(tokens, dtype=dtype).tobytes(order="C"))
    lengths = [len(tokens) for tokens in sequences]
    pointers = np.cumsum([0] + lengths[:-1]) * width
    with open(f"{prefix}.idx", "wb") as file:
        file.write(b"MMIDIDX\x00\x00")
        file.write(struct.pack("<Q", 1))
        file.write(struct.pack("<B", code))
        file.write(struct.pack("<Q", len(lengths)))
        file.write(struct.pack("<Q", len(bounds)))
        file.write(np.array(lengths, dtype=np.int32).tobytes(order="C"))
        file.write(pointers.astype(np.int64).tobytes(order="C"))
        file.write(np.array(bounds, dtype=np.int64).tobytes(order="C"))


nanogpt(HERE / "nanogpt.bin")
llm_c(HERE / "llmc_gpt2_0.bin", DOCUMENTS[:2], 20240520, 1, np.uint16)
llm_c(HERE / "llmc_gpt2_1.bin", DOCUMENTS[2:], 20240520, 1, np.uint16)
llm_c(HERE / "llmc_llama3.bin", DOCUMENTS, 20240801, 7, np.uint32)
megatron(HERE / "megatron_u16", 8, np.uint16)
megatron(HERE / "megatron_i32", 4, np.int32)
