#!/bin/sh
# fetch-mnist.sh - downloads the four MNIST files and checks them: fetch-mnist.sh [FOLDER] (default: the folder that the
# programs look at). For people with internet; everything works without, on generated digits. MNIST_URL names a mirror.
set -eu
if [ "${1:-}" = "--help" ]; then sed -n '2,3s/^# //p' "$0"; exit 0; fi
folder=${1:-${HOGWILD_DATA:-${XDG_DATA_HOME:-$HOME/.local/share}/hogwild}}
url=${MNIST_URL:-https://ossci-datasets.s3.amazonaws.com/mnist}
mkdir -p "$folder"
sum() { if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -c1-64; }
while read -r want name; do
    if [ -f "$folder/$name" ] && [ "$(sum "$folder/$name")" = "$want" ]; then echo "have $name"; continue; fi
    echo "fetching $name"
    if command -v curl >/dev/null 2>&1; then curl -fsSL -o "$folder/$name.part" "$url/$name"
    else wget -q -O "$folder/$name.part" "$url/$name"; fi
    [ "$(sum "$folder/$name.part")" = "$want" ] || { echo "fetch-mnist: $name: the checksum is wrong; the file is left as $name.part" >&2; exit 1; }
    mv "$folder/$name.part" "$folder/$name"
done <<'LIST'
440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609 train-images-idx3-ubyte.gz
3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c train-labels-idx1-ubyte.gz
8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6 t10k-images-idx3-ubyte.gz
f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6 t10k-labels-idx1-ubyte.gz
LIST
echo "MNIST is in $folder"
