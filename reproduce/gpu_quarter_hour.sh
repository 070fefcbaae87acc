#!/bin/sh
# A machine with a GPU for a quarter of an hour: what to bring, what to run, what comes back.
# It was written for one H200 with 16 cores and no network, calls of at most ten minutes, 60 MB that travel there with
# this repository, and eight files of 16 MB that come back. docs/guides/gpu-quarter-hour.md explains it.
#
#   sh reproduce/gpu_quarter_hour.sh pack PREPARED... --out out/gpu-pack [--teacher FILE] [--start NETWORK=FILE]
#   sh reproduce/gpu_quarter_hour.sh run bench=180 student=370 --pack out/gpu-pack --out OUT     first call
#   sh reproduce/gpu_quarter_hour.sh run paper=560 --pack out/gpu-pack --out OUT                 second call
#   sh reproduce/gpu_quarter_hour.sh adopt OUT/student.safetensors runs/student --data PREPARED            back at home
#
# pack, beforehand and on a CPU: photographs (not those of the outer fold) as WebP, as good as fits, and weights in half
#   precision, in a folder that git ignores. PREPARED are folders of 'hierattn prepare' with the folds of docs/protocol.md.
#   It says how much travels, and what to leave out where that is too much.
# run, on the machine, with the seconds of each part; --limit is for all of them, 585 where nothing is said:
#   bench    'hierattn benchmark training' for HierAttn_xs, HierAttn_s and MobileNetV2 at 256 pixels against the plain pipeline
#   student  the distilled student, for as many images as fit. Teachers are those of the pack; where there are none, the
#            packed starting weights are fine-tuned first; where there are none either, it is trained on labels alone
#   paper    the paper's 500 epochs of one fold, at 256 pixels (pack with --set pack.size=256)
# Resume: the same command with --previous FOLDER of what came back.
#
# It begins with a probe and stops at once where something needed is missing. Each part starts eager and takes a faster
# way (compiled, then with recorded graphs) only once another process has shown that it works. A part that crashes, hangs,
# diverges or fills the memory goes on from its last saving in a safer way: eager, float32, smaller batches. Every minute
# OUT gets averaged weights, the state to resume from, answers for the inner fold, log.jsonl and status.json.
#
# PYTHON names another Python; settings are in gpu_quarter_hour.toml, --set TABLE.KEY=VALUE changes one.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
PYTHONPATH=$here/src:$here${PYTHONPATH:+:$PYTHONPATH} exec "${PYTHON:-python3}" -m tools.gpu "$@"
