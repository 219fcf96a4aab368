#!/usr/bin/env bash
# Sources by URL against real servers: `scripts/stores.sh [STORE..]`, of http (nginx), s3 (moto) and azure
# (Azurite); without any, all that are there. CI runs this.
#
# Each kind of data set that Tallow reads is written, put into the store and delivered from there: shuffled,
# with 0 and 4 workers, read ahead, by three ranks, and from the middle of an epoch on. What comes must be, line by line,
# a sample each, what comes from the disk. Then objects change and credentials are wrong.
#
# BENCH_LOADER names the program; otherwise cargo builds it. STORES_PYTHON names a Python that has
# `moto[server]` and `azure-storage-blob`, AZURITE the program azurite-blob.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ -z "${BENCH_LOADER:-}" ]; then
    cargo build --release -p tallow-cli
    BENCH_LOADER="${CARGO_TARGET_DIR:-target}/release/bench-loader"
fi
BENCH_LOADER="$(realpath "$BENCH_LOADER")"
python="${STORES_PYTHON:-python3}"
azurite="${AZURITE:-azurite-blob}"

OUT="$(mktemp -d)"
servers=()
stop() {
    for server in "${servers[@]}"; do kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; done
    rm -rf "$OUT"
}
trap stop EXIT

fail() {
    echo "stores: $*" >&2
    exit 1
}

# Names that only these servers know, and keys that are no secret but must be treated as one.
export AWS_ACCESS_KEY_ID=AKIASTORESTESTKEY AWS_SECRET_ACCESS_KEY=stores-test-secret-key AWS_REGION=us-east-1
export AZURE_STORAGE_ACCOUNT_NAME=devstoreaccount1 AZURE_STORAGE_USE_EMULATOR=true
export AZURE_STORAGE_ACCOUNT_KEY='Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

data="$OUT/data"
written() {
    mkdir "$data"
    local fixtures=crates/core/tests/data
    {
        "$BENCH_LOADER" gen "$data/pairs" --samples 24 --shape 3,8,8 --dtype u8 --as folders
        "$BENCH_LOADER" gen "$data/arrays" --samples 24 --shape 16 --dtype f32 --as npy
        "$BENCH_LOADER" gen "$data/safetensors" --samples 24 --shape 16 --dtype f32 --as safetensors --shards 3
        "$BENCH_LOADER" gen "$data/photos" --samples 12 --shape 48,64 --classes 3 --as jpeg
        "$BENCH_LOADER" pack "$data/pairs" --to "$data/tar" --as tar --shard-bytes 40000
        "$BENCH_LOADER" gen "$OUT/words" --samples 24 --shape 100 --dtype u8 --as folders
        "$BENCH_LOADER" pack "$OUT/words" --select input --to "$data/tokens" --as tokens
    } >/dev/null
    # What other programs wrote.
    mkdir "$data/npz"
    cp "$fixtures"/npz/*.npz "$data/npz"
    cp -r "$fixtures"/mds/tokens "$data/mds"
    cp -r "$fixtures"/arrow/saved "$data/arrow"
    cp "$fixtures"/parquet/{snappy,zstd,lengths}.parquet "$data"
    cp "$fixtures"/tar/webdataset.tar "$data"
}

# A data set a line: a name, what it is below the root, and the options that it is read with. The first ones
# are named file by file, which a server without listings can serve.
listed() {
    cat <<'SETS'
npy      | arrays/input.npy                      |
tars     | tar/{000000..000001}.tar              |
webd     | webdataset.tar                        |
safe     | safetensors/{000000..000002}.safetensors |
npzfiles | npz/{0..2}.npz                        |
tokens   | tokens/000000.bin                     | --tokens u16:20
arrow    | arrow/data-00000-of-00002.arrow       | --array label --array x --array grid
snappy   | snappy.parquet                        | --array i --array x --array four
zstd     | zstd.parquet                          | --array i --array text --pad text:0
lengths  | lengths.parquet                       | --array i --array list --pad list:0
SETS
}
folders() {
    cat <<'SETS'
pairs    | pairs                                 |
arrays   | arrays                                |
photos   | photos                                | --augment random_resized_crop(32)
npz      | npz                                   |
tar      | tar                                   |
star     | tar/*.tar                             |
shards   | safetensors                           |
mds      | mds                                   |
saved    | arrow                                 | --array label --array x --array grid
SETS
}

# Lines of whole samples, in the order of epochs and positions: `digest PLACE OPTIONS..`.
digest() {
    "$BENCH_LOADER" digest "$@" --batch-size 3 --shuffle --seed 3 --per-sample >"$OUT/digest" || return 1
    awk 'NF == 4 && length($4) == 32' "$OUT/digest" | sort -n -k1,1 -k2,2
}

# Whether a place of the store delivers what the disk delivers: `same ROOT NAME PLACE OPTIONS..`.
same() {
    local root="$1" name="$2" place="$3" whole="$OUT/$2.whole" lines epoch rank workers
    shift 3
    [ -f "$whole" ] || digest "$data/$place" "$@" --workers 1 --epochs 2 >"$whole"
    lines="$(wc -l <"$whole")"
    epoch=$((lines / 2))
    [ "$epoch" -gt 3 ] || [ "$name" = npz ] || [ "$name" = npzfiles ] || fail "$name has $lines lines"
    for workers in 0 4; do
        digest "$root/$place" "$@" --workers "$workers" --epochs 2 >"$OUT/found" ||
            fail "$root/$place cannot be read"
        cmp "$OUT/found" "$whole" || fail "$root/$place with $workers workers is something else"
    done
    for rank in 0 1 2; do
        digest "$root/$place" "$@" --workers 2 --epochs 1 --rank "$rank" --world 3
    done | sort -n -k1,1 -k2,2 >"$OUT/found"
    cmp "$OUT/found" <(head -n "$epoch" "$whole") || fail "$root/$place by ranks is something else"
    digest "$root/$place" "$@" --workers 2 --epochs 2 --read-ahead 1MB >"$OUT/found"
    cmp "$OUT/found" "$whole" || fail "$root/$place, read ahead, is something else"
    if [ "$epoch" -gt 3 ]; then
        digest "$root/$place" "$@" --workers 2 --epochs 2 --start-batch 1 >"$OUT/found"
        head -n "$lines" "$whole" | tail -n +4 | cmp "$OUT/found" - 2>/dev/null ||
            cmp "$OUT/found" <(head -n "$epoch" "$whole" | tail -n +4) ||
            fail "$root/$place, resumed, is something else"
    fi
}

each() {
    local root="$1" sets="$2" name place options count=0
    while IFS='|' read -r name place options; do
        name="${name// /}"
        place="${place%"${place##*[! ]}"}"
        read -r -a options <<<"$options"
        same "$root" "$name" "${place# }" "${options[@]}"
        count=$((count + 1))
    done < <($sets)
    echo "$root: $count data sets of files that are $sets are the same from the store as from the disk"
}

free_port() {
    "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Until something answers on a port of this machine, at most 20 s.
await() {
    local tried=0
    until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
        sleep 0.1
        tried=$((tried + 1))
        [ "$tried" -lt 200 ] || fail "nothing answers on port $1"
    done
}

# Fails unless the command fails with all of these words on one line, and shows no key: `refuses WORD.. -- COMMAND`.
refuses() {
    local words=()
    while [ "$1" != -- ]; do
        words+=("$1")
        shift
    done
    shift
    if "$@" >"$OUT/said" 2>&1; then fail "$* succeeds"; fi
    for word in "${words[@]}"; do
        grep -qF -- "$word" "$OUT/said" || fail "no \"$word\" in: $(cat "$OUT/said")"
    done
    if grep -qF -e "$AWS_SECRET_ACCESS_KEY" -e "${AZURE_STORAGE_ACCOUNT_KEY:0:20}" -e hunter22 "$OUT/said"; then
        fail "a key is shown"
    fi
}

http() {
    local port
    port="$(free_port)"
    cat >"$OUT/nginx.conf" <<CONF
daemon off; pid $OUT/nginx.pid; error_log $OUT/nginx.log; worker_processes 1;
$([ "$(id -u)" = 0 ] && echo 'user root;')
events {}
http {
    access_log off; client_body_temp_path $OUT/nginx-body; proxy_temp_path $OUT/nginx-proxy;
    fastcgi_temp_path $OUT/nginx-fcgi; uwsgi_temp_path $OUT/nginx-uwsgi; scgi_temp_path $OUT/nginx-scgi;
    server { listen 127.0.0.1:$port; root $data; }
}
CONF
    PATH="$PATH:/usr/sbin" nginx -c "$OUT/nginx.conf" 2>/dev/null &
    servers+=($!)
    await "$port"
    local root="http://127.0.0.1:$port"
    each "$root" listed
    refuses "no such object" "$port/none.tar" -- "$BENCH_LOADER" inspect "$root/none.tar"
    refuses "may hold a credential" -- "$BENCH_LOADER" inspect "http://me:hunter22@127.0.0.1:$port/webdataset.tar"
    refuses "may hold a credential" -- "$BENCH_LOADER" inspect "$root/webdataset.tar?sig=hunter22"
    refuses "name the files" -- "$BENCH_LOADER" inspect "$root/pairs/"
    handmade "$root" "$data" >"$OUT/all.listing"
    kept "$root" "$OUT/all.listing"
    "$BENCH_LOADER" check "$root/webdataset.tar" >/dev/null || fail "check of a URL"
    "$BENCH_LOADER" doctor "$root/webdataset.tar" >/dev/null || fail "doctor of a URL"
}

s3() {
    local port
    port="$(free_port)"
    "$python" -m moto.server -H 127.0.0.1 -p "$port" >"$OUT/moto.log" 2>&1 &
    servers+=($!)
    await "$port"
    export AWS_ENDPOINT_URL="http://127.0.0.1:$port"
    "$python" - "$data" <<'PUT'
import os, pathlib, sys, boto3
client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
client.create_bucket(Bucket="samples")
root = pathlib.Path(sys.argv[1])
for path in root.rglob("*"):
    if path.is_file():
        client.upload_file(str(path), "samples", f"below/{path.relative_to(root)}")
PUT
    each s3://samples/below listed
    each s3://samples/below folders
    listed_once s3://samples/below
    refuses "no such object" "s3://samples/none" -- "$BENCH_LOADER" inspect s3://samples/none
    "$BENCH_LOADER" check s3://samples/below/pairs >/dev/null || fail "check of a URL"
}

azure() {
    local port
    port="$(free_port)"
    "$azurite" --blobHost 127.0.0.1 --blobPort "$port" --location "$OUT/azurite" --silent --skipApiVersionCheck \
        >"$OUT/azurite.log" 2>&1 &
    servers+=($!)
    await "$port"
    export AZURITE_BLOB_STORAGE_URL="http://127.0.0.1:$port"
    "$python" - "$data" <<'PUT'
import os, pathlib, sys
from azure.storage.blob import BlobServiceClient
account = os.environ["AZURE_STORAGE_ACCOUNT_NAME"]
url = f"{os.environ['AZURITE_BLOB_STORAGE_URL']}/{account}"
client = BlobServiceClient(url, credential=os.environ["AZURE_STORAGE_ACCOUNT_KEY"]).create_container("samples")
root = pathlib.Path(sys.argv[1])
for path in root.rglob("*"):
    if path.is_file():
        client.upload_blob(f"below/{path.relative_to(root)}", path.read_bytes())
PUT
    each az://samples/below listed
    each az://samples/below folders
    listed_once az://samples/below
    refuses "credentials" "az://samples/below/webdataset.tar" -- \
        env AZURE_STORAGE_ACCOUNT_KEY="${AZURE_STORAGE_ACCOUNT_KEY/N/X}" "$BENCH_LOADER" inspect az://samples/below/webdataset.tar
}

# A listing of a data set as anyone can write one: `handmade URL DIR`.
handmade() {
    printf 'tallow-listing-1\t%s\t%s\n' "$(find "$2" -type f | wc -l)" "$1"
    find "$2" -type f -printf '%s\t-\t%P\n' | LC_ALL=C sort -t "$(printf '\t')" -k 3
}

# Whether a listing delivers what the disk delivers, and refuses objects that were written to: `kept URL LISTING`, of
# the folder of data sets.
kept() {
    local root="$1" listing="$2" place options photos="--augment random_resized_crop(32)"
    while IFS='|' read -r place options; do
        read -r -a options <<<"$options"
        digest "$data/$place" --workers 2 --epochs 1 "${options[@]}" >"$OUT/whole" || fail "$place cannot be read"
        digest "$root/$place" --workers 2 --epochs 1 "${options[@]}" --listing "$listing" >"$OUT/found" ||
            fail "$root/$place cannot be read by a listing"
        cmp "$OUT/found" "$OUT/whole" || fail "$root/$place by a listing is something else"
    done <<<"pairs|
tar/*.tar|
safetensors|
photos|$photos"
    # The listing as SOURCE, of one data set.
    read -r -a options <<<"$photos"
    { printf 'tallow-listing-1\t12\t%s\n' "$root/photos" && grep -P '\tphotos/' "$listing" | sed 's/\tphotos\//\t/'; } \
        >"$OUT/photos.listing"
    digest "$OUT/photos.listing" --workers 2 --epochs 1 "${options[@]}" >"$OUT/found" || fail "a listing is no source"
    cmp "$OUT/found" "$OUT/whole" || fail "a listing is another source"
    refuses "no such object in the listing" -- "$BENCH_LOADER" inspect "$root/none.tar" --listing "$listing"
    sed '2,$ s/^/1/' "$OUT/photos.listing" >"$OUT/longer.listing"
    refuses "bytes instead of 1" "since the store was listed" -- "$BENCH_LOADER" inspect "$OUT/longer.listing"
    head -c 300 "$OUT/photos.listing" >"$OUT/cut.listing"
    refuses "the file is cut" -- "$BENCH_LOADER" inspect "$OUT/cut.listing"
    echo "$root: a listing that was kept delivers what the disk delivers"
}

# The same of what the store lists itself, with tags: `listed_once URL`.
listed_once() {
    "$BENCH_LOADER" list "$1" --to "$OUT/all.listing" >/dev/null || fail "$1 cannot be listed"
    kept "$1" "$OUT/all.listing"
    # Tags that no object has.
    sed '2,$ s/\t[^\t]*\t/\t00000000000000000000000000000000\t/' "$OUT/photos.listing" >"$OUT/rewritten.listing"
    refuses "another entity tag" -- "$BENCH_LOADER" inspect "$OUT/rewritten.listing"
}

is_there() {
    case "$1" in
    http) PATH="$PATH:/usr/sbin" command -v nginx >/dev/null ;;
    s3) "$python" -c 'import boto3, moto.server' 2>/dev/null ;;
    azure) command -v "$azurite" >/dev/null && "$python" -c 'import azure.storage.blob' 2>/dev/null ;;
    *)
        echo "stores: $1, expected http, s3 or azure" >&2
        exit 2
        ;;
    esac
}

stores=("$@")
if [ $# = 0 ]; then
    for store in http s3 azure; do
        if is_there "$store"; then stores+=("$store"); else echo "stores: the server of $store is not there"; fi
    done
fi
[ ${#stores[@]} -gt 0 ] || fail "no server is installed"
written
for store in "${stores[@]}"; do
    is_there "$store" || fail "the server of $store is not there"
    "$store"
done
