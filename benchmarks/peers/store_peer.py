"""Objects and shards of a server, read by Tallow, `webdataset`, `mosaicml-streaming` and `s3fs`, by turns.

    python store_peer.py FOLDER --bench-loader PROGRAM [--samples 4000] [--seconds 5] [--rounds 3]

Writes FOLDER unless it is there: samples of 100 KB of random bytes as a `.npy` file each, as tar shards and as MDS shards
of 64 MB. One nginx with one process serves all of that to all loaders, and answers as S3 does: it reads no signatures, and
lists what is there. Every loader makes shuffled batches of 64 `uint8` tensors with two workers or processes:

- shards: Tallow, tar shards, read ahead, in a full shuffle, and shuffled two shards at a time. `webdataset`, tar shards by
  `pipe:curl` in random order, and a shuffle buffer of 1,000. `streaming`, MDS, with an empty local folder each turn, as it
  keeps shards there.
- objects: Tallow, a folder of `.npy`, read ahead. `s3fs`, a torch Dataset that reads an object for each sample with
  `cat_file`, and one that reads a batch of objects with `cat`, which asks for all of them at once.

The clock of a peer starts with its first batch, when its workers are there and what they have prefetched is not counted
against it, and stops after SECONDS, or at the end of an epoch. Tallow's rate is that of `bench-loader`, of a whole epoch,
without opening, which is once for all epochs and reads a tar archive from end to end. Prints MB per second, medians of
the rounds, and how many times the rate of the fastest peer in the same round Tallow's is. Beside them `plain`: `curl` with
32 requests at once, for what the server and a client can do on this machine.
"""

import argparse
import io
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import s3fs
import streaming
import torch
import webdataset
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

BATCH = 64
WORKERS = 2
BYTES = 100_000
READ_AHEAD = "128MB"

NGINX = """
daemon off; pid {out}/nginx.pid; error_log {out}/nginx.log; worker_processes 1; {user}
events {{ worker_connections 4096; }}
http {{
    access_log off; sendfile on; keepalive_requests 1000000;
    client_body_temp_path {out}/1; proxy_temp_path {out}/2; fastcgi_temp_path {out}/3; uwsgi_temp_path {out}/4;
    scgi_temp_path {out}/5;
    server {{
        listen 127.0.0.1:{port}; root {out}/root;
        error_page 403 =404 @none;
        location @none {{ return 404; }}
        location = /samples {{ default_type application/xml; rewrite ^ /list.xml; }}
        location = /samples/ {{ default_type application/xml; rewrite ^ /list.xml; }}
    }}
}}
"""


def written(folder, samples, program):
    """Objects, tar shards and MDS shards of the same samples."""
    if (folder / "mds" / "index.json").exists():
        return
    run = lambda *args: subprocess.run([program, *map(str, args)], check=True, stdout=subprocess.DEVNULL)
    run("gen", folder / "pairs", "--samples", samples, "--shape", BYTES, "--dtype", "u8", "--as", "folders")
    run("pack", folder / "pairs", "--select", "input", "--to", folder / "tar", "--as", "tar", "--shard-bytes", 64 << 20)
    shutil.move(folder / "pairs" / "input", folder / "objects")
    shutil.rmtree(folder / "pairs")
    with streaming.MDSWriter(out=str(folder / "mds"), columns={"input": "ndarray"}, size_limit=64 << 20) as out:
        for path in sorted((folder / "objects").iterdir()):
            out.write({"input": np.load(path)})


def listing(folder):
    """What S3 says of all objects below `objects/`."""
    entries = "".join(
        f"<Contents><Key>{escape(f'objects/{path.name}')}</Key><LastModified>2026-09-01T00:00:00.000Z</LastModified>"
        f'<ETag>"1"</ETag><Size>{path.stat().st_size}</Size><StorageClass>STANDARD</StorageClass></Contents>'
        for path in sorted((folder / "objects").iterdir())
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>samples</Name><Prefix>objects/</Prefix><KeyCount>1</KeyCount><MaxKeys>100000</MaxKeys>"
        f"<IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
    )


def served(folder, out):
    """Starts nginx, and returns it and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (out / "root").mkdir()
    (out / "root" / "samples").symlink_to(folder)
    (out / "root" / "list.xml").write_text(listing(folder))
    user = "user root;" if os.getuid() == 0 else ""
    (out / "nginx.conf").write_text(NGINX.format(out=out, port=port, user=user))
    path = os.environ["PATH"] + ":/usr/sbin"
    server = subprocess.Popen(["nginx", "-c", out / "nginx.conf"], env={**os.environ, "PATH": path})
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server, f"http://127.0.0.1:{port}"
        except OSError:
            time.sleep(0.05)
    raise SystemExit("nginx does not answer")


def rate(batches, seconds):
    """MB per second from the first batch on."""
    batches = iter(batches)
    next(batches)
    samples, start = 0, time.perf_counter()
    for batch in batches:
        samples += len(batch)
        if time.perf_counter() - start > seconds:
            break
    took = time.perf_counter() - start
    # Workers that are ahead end before the next loader's turn.
    del batches
    return samples * BYTES / 1e6 / took


def array(member):
    return torch.from_numpy(np.load(io.BytesIO(member)))


def loader(data, **options):
    return DataLoader(data, num_workers=WORKERS, **{"batch_size": BATCH, **options})


def sample(members):
    return array(members["input.npy"])


def of_webdataset(root, folder):
    urls = [f"pipe:curl -s {root}/samples/tar/{path.name}" for path in sorted((folder / "tar").glob("*.tar"))]

    def turn(seconds):
        data = webdataset.WebDataset(urls, shardshuffle=len(urls), empty_check=False).shuffle(1000).map(sample)
        return rate(loader(data), seconds)

    return turn


def stacked(rows):
    return torch.stack([torch.from_numpy(row["input"].copy()) for row in rows])


def of_streaming(seconds):
    with tempfile.TemporaryDirectory() as local:
        streaming.base.util.clean_stale_shared_memory()
        data = streaming.StreamingDataset(
            remote="s3://samples/mds", local=local, shuffle=True, batch_size=BATCH, num_canonical_nodes=1
        )
        return rate(loader(data, collate_fn=stacked), seconds)


class Objects(Dataset):
    """Objects of S3, one for each sample."""

    def __init__(self, names, root):
        self.names, self.root, self.store = names, root, None

    def __len__(self):
        return len(self.names)

    def files(self):
        # Made in the worker, since connections do not survive a fork.
        if self.store is None:
            self.store = s3fs.S3FileSystem(endpoint_url=self.root, skip_instance_cache=True)
        return self.store

    def __getitem__(self, at):
        return array(self.files().cat_file(self.names[at]))


class Batches(Objects):
    """The same, a batch of objects at once."""

    def __getitem__(self, places):
        names = [self.names[at] for at in places]
        found = self.files().cat(names)
        return torch.stack([array(found[name]) for name in names])


def of_s3fs(root, folder, kind):
    names = [f"samples/objects/{path.name}" for path in sorted((folder / "objects").iterdir())]

    def turn(seconds):
        data = kind(names, root)
        if kind is Batches:
            order = BatchSampler(RandomSampler(names), BATCH, drop_last=False)
            return rate(loader(data, sampler=order, batch_size=None), seconds)
        return rate(loader(data, shuffle=True), seconds)

    return turn


def of_tallow(program, place, *order):
    def turn(_seconds):
        command = [program, "run", place, "--json", *order, "--epochs", "1", "--read-ahead", READ_AHEAD]
        command += ["--batch-size", str(BATCH), "--workers", str(WORKERS)]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        return json.loads(said)["bytes_per_second"] / 1e6

    return turn


def plain(root, folder, out):
    """`curl` of all objects."""
    urls = [f'url = "{root}/samples/objects/{path.name}"' for path in sorted((folder / "objects").iterdir())]
    (out / "curl").write_text("\n".join(f"{url}\noutput = /dev/null" for url in urls))
    command = ["curl", "-s", "--no-progress-meter", "--parallel", "--parallel-max", "32", "--config", out / "curl"]

    def turn(_seconds):
        start = time.perf_counter()
        subprocess.run(command, check=True)
        return len(urls) * BYTES / 1e6 / (time.perf_counter() - start)

    return turn


def compare(title, turns, args):
    """Prints the rates of all, which take turns. The last is no peer."""
    rates = {name: [] for name in turns}
    ours = [name for name in turns if name.startswith("tallow")]
    peers = [name for name in turns if name not in [*ours, "plain"]]
    ratios = {name: [] for name in ours}
    for _ in range(args.rounds):
        for name, turn in turns.items():
            rates[name].append(turn(args.seconds))
        for name in ours:
            ratios[name].append(rates[name][-1] / max(rates[peer][-1] for peer in peers))
    print(f"{title}, MB/s:")
    for name, found in rates.items():
        print(f"  {name:<32} {statistics.median(found):8.0f}   {min(found):.0f} to {max(found):.0f}")
    for name, found in ratios.items():
        told = f"{statistics.median(found):.1f} times the fastest peer, {min(found):.1f} to {max(found):.1f}"
        print(f"  {name}: {told}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=lambda path: Path(path).absolute())
    parser.add_argument("--bench-loader", required=True)
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    written(args.folder, args.samples, args.bench_loader)
    # Keys that the server does not look at, and without which no client sends anything.
    keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1"}
    os.environ.update(keys, AWS_DEFAULT_REGION="us-east-1")
    torch.set_num_threads(WORKERS)
    print({module.__name__: module.__version__ for module in [torch, webdataset, streaming, s3fs]})
    with tempfile.TemporaryDirectory() as out:
        server, root = served(args.folder, Path(out))
        os.environ.update(AWS_ENDPOINT_URL=root, S3_ENDPOINT_URL=root)
        last = len(list((args.folder / "tar").glob("*.tar"))) - 1
        try:
            shards = f"{root}/samples/tar/{{000000..{last:06}}}.tar"
            curl = plain(root, args.folder, Path(out))
            turns = {
                "tallow, tar": of_tallow(args.bench_loader, shards, "--shuffle"),
                "tallow, tar, by two shards": of_tallow(args.bench_loader, shards, "--shuffle-blocks", "2"),
                "webdataset, tar": of_webdataset(root, args.folder),
                "streaming, mds": of_streaming,
                "plain": curl,
            }
            compare("shards", turns, args)
            turns = {
                "tallow, objects": of_tallow(args.bench_loader, "s3://samples/objects", "--shuffle"),
                "s3fs, by sample": of_s3fs(root, args.folder, Objects),
                "s3fs, by batch": of_s3fs(root, args.folder, Batches),
                "plain": curl,
            }
            compare("objects", turns, args)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
