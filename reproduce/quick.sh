#!/bin/sh
# The paper's experiments in order, on rendered lesions and a small budget: about an hour on two cores.
# What it shows is that every step works and what its output looks like; the figures say nothing about patients.
#
#   sh reproduce/quick.sh [OUT]       default: out/quick
#
# It may be stopped and started again: finished folds and sets are kept. Smaller still, for a test of the script itself:
#   IMAGES=240 SIZE=32 EPOCHS=1 FOLDS=0 BOOTSTRAP=100 sh reproduce/quick.sh /tmp/quick
set -eu

out=${1:-out/quick}
images=${IMAGES:-1200} size=${SIZE:-64} epochs=${EPOCHS:-8} folds=${FOLDS:-0,1} bootstrap=${BOOTSTRAP:-1000}
target=${TARGET:-60} epoch_images=${EPOCH_IMAGES:-512} threads=${THREADS:-1} jobs=${JOBS:-1}
hierattn=${HIERATTN:-hierattn}

say() { printf '\n== %s\n' "$*"; }
budget="optimiser.epochs=$epochs data.epoch_images=$epoch_images optimiser.warmup_epochs=0"
how="--folds $folds --threads $threads --jobs $jobs --bootstrap $bootstrap"

say "§3.1 data"
[ -d "$out/rendered" ] || $hierattn render "$out/rendered" --images "$images" --size $((2 * size))
[ -f "$out/prepared/prepared.json" ] || $hierattn prepare "$out/rendered" "$out/prepared" --size "$size" --folds 5

say "§3.2.2 the paper's protocol: balance first, fold afterwards"
[ -f "$out/paper/prepared.json" ] ||
  $hierattn balance "$out/prepared" "$out/paper" --target "$target" --protocol paper --no-pictures

say "Table 1, Figs. 7 and 8: HierAttn and three peers, both protocols"
for model in hierattn_xs hierattn_s mobilenet_v2 shufflenet_v2_1x mobilenet_v3_large; do
  for fold in $(echo "$folds" | tr ',' ' '); do
    run="$out/runs/$model/fold-$fold"
    [ -f "$run/evaluation/cases.csv" ] && continue
    $hierattn crossval quicktest "model.name=$model" $budget --data "$out/prepared" --out "$out/runs/$model" \
      --folds "$fold" --threads "$threads"
    $hierattn evaluate "$run" --bootstrap "$bootstrap"
  done
done
$hierattn compare "hierattn_xs=$out/runs/hierattn_xs" "hierattn_s=$out/runs/hierattn_s" \
  "mobilenet_v2=$out/runs/mobilenet_v2" "shufflenet_v2=$out/runs/shufflenet_v2_1x" \
  "mobilenet_v3=$out/runs/mobilenet_v3_large" --folds "$folds" --bootstrap "$bootstrap" \
  --title "Light networks, rendered lesions" --out "$out/table1"
changes=""
for change in $budget; do changes="$changes --set $change"; done
$hierattn compare --recipe hierattn_xs=quicktest $changes --data "$out/prepared" --paper-data "$out/paper" \
  --protocol both --runs "$out/runs/both" $how --title "Two protocols, rendered lesions" --out "$out/protocols"

for what in attention stochastic-depth skip permutation; do
  say "ablation: $what"
  $hierattn ablate "$what" $budget --recipe quicktest --data "$out/prepared" $how \
    --runs "$out/runs/ablate-$what" --out "$out/ablation-$what"
done
if [ "$epochs" -gt 1 ]; then # a warm-up needs an epoch before and one after
  say "ablation: warmup (Table 4), from the weights just learnt, fold by fold"
  $hierattn ablate warmup $budget "transfer.checkpoint=$out/runs/hierattn_xs/fold-{fold}/best.safetensors" \
    "transfer.frozen_epochs=$(((epochs + 3) / 4))" --recipe quicktest --data "$out/prepared" $how \
    --runs "$out/runs/ablate-warmup" --out "$out/ablation-warmup"
fi
say "ablation: balance (Fig. 9), on the same untouched folds"
$hierattn ablate balance "optimiser.epochs=$epochs" "data.epoch_images=$epoch_images" optimiser.warmup_epochs=0 \
  --recipe quicktest --data "$out/prepared" --target "$target" $how \
  --runs "$out/runs/ablate-balance" --out "$out/ablation-balance"

say "the model card"
first=$(echo "$folds" | cut -d, -f1 | cut -d- -f1)
$hierattn card "$out/runs/hierattn_xs/fold-$first" --out "$out/MODEL_CARD.md"
say "done: $out"
