#!/bin/sh
# The paper's experiments in order, on a small budget: on rendered lesions about an hour on two cores. It ends with
# OUT/paper.html: the paper's tables, ours beside them.
# What rendered lesions show is that every step works and what its output looks like; the figures say nothing about
# patients. On a prepared set of photographs the figures are of that set, and of networks trained for minutes.
#
#   sh reproduce/quick.sh [OUT]       default: out/quick
#   PREPARED=out/ham64 sh reproduce/quick.sh out/quick-ham64
#
# It may be stopped and started again: finished folds and sets are kept, others resume.
# What may be set before it:
#   PREPARED       a folder of 'hierattn prepare'; without it lesions are rendered (IMAGES, SIZE)
#   MODELS         by registered name; the first, a HierAttn, leads and is what the ablations take apart
#   RECIPE         what all share: quicktest for rendered lesions, isic2019/hierattn_xs_64px for photographs
#   EPOCHS EPOCH_IMAGES FOLDS TARGET BOOTSTRAP THREADS JOBS DEVICE    the budget; TARGET is images a class
#   PARTS          of: table1 protocols attention stochastic-depth skip permutation warmup balance card
# Smaller still, for a test of the script itself:
#   IMAGES=480 SIZE=32 EPOCHS=1 FOLDS=0 BOOTSTRAP=100 sh reproduce/quick.sh /tmp/quick
set -eu

out=${1:-out/quick}
images=${IMAGES:-1200} size=${SIZE:-64} epochs=${EPOCHS:-8} bootstrap=${BOOTSTRAP:-1000}
threads=${THREADS:-1} jobs=${JOBS:-1} device=${DEVICE:-auto}
if [ -n "${PREPARED:-}" ]; then
  prepared=$PREPARED subject=$(basename "$PREPARED") recipe=${RECIPE:-isic2019/hierattn_xs_64px}
  folds=${FOLDS:-0} epoch_images=${EPOCH_IMAGES:-2048} target=${TARGET:-200}
  models=${MODELS:-hierattn_xs hierattn_s mobilenet_v2 mobilevit_s mobilenet_v3_large shufflenet_v2_1x mnasnet1_0 efficientnet_b0}
else
  prepared=$out/prepared subject="rendered lesions" recipe=${RECIPE:-quicktest}
  folds=${FOLDS:-0,1} epoch_images=${EPOCH_IMAGES:-512} target=${TARGET:-60}
  models=${MODELS:-hierattn_xs hierattn_s mobilenet_v2 shufflenet_v2_1x mobilenet_v3_large}
fi
parts=${PARTS:-table1 protocols attention stochastic-depth skip permutation warmup balance card}
hierattn=${HIERATTN:-hierattn}

say() { printf '\n== %s  %s\n' "$(date '+%d %b %H:%M')" "$*"; }
wanted() { case " $parts " in *" $1 "*) true ;; *) false ;; esac; }
lead=${models%% *}
budget="optimiser.epochs=$epochs data.epoch_images=$epoch_images data.sampling=balanced optimiser.warmup_epochs=0"
train="--folds $folds --threads $threads --jobs $jobs --device $device"
how="$train --bootstrap $bootstrap"

# Train and evaluate a network: learn NAME MODEL PREPARED
learn() {
  $hierattn crossval "$recipe" "model.name=$2" $budget --data "$3" --out "$out/runs/$1" $train
  for run in "$out/runs/$1"/fold-*; do
    [ -f "$run/evaluation/cases.csv" ] || $hierattn evaluate "$run" --bootstrap "$bootstrap" --device "$device"
  done
}

# The variant that changes nothing was trained for Table 1 already: share ABLATION VARIANT
share() {
  for run in "$out/runs/$lead"/fold-*; do
    copy=$out/runs/ablate-$1/$2/$(basename "$run")
    { [ -f "$run/evaluation/cases.csv" ] && [ ! -d "$copy" ]; } || continue
    rm -rf "$copy.part"
    mkdir -p "$(dirname "$copy")"
    cp -R "$run" "$copy.part"
    mv "$copy.part" "$copy"
  done
}

# ablate WHAT [MORE...]
ablate() {
  what=$1
  shift
  $hierattn ablate "$what" "model.name=$lead" $budget "$@" --recipe "$recipe" --data "$prepared" $how \
    --runs "$out/runs/ablate-$what" --out "$out/ablation-$what"
}

if [ -z "${PREPARED:-}" ]; then
  say "§3.1 data"
  [ -d "$out/rendered" ] || $hierattn render "$out/rendered" --images "$images" --size $((2 * size))
  [ -f "$prepared/prepared.json" ] || $hierattn prepare "$out/rendered" "$prepared" --size "$size" --folds 5
fi

if wanted table1; then
  say "Table 1, Figs. 7 and 8: $models"
  set --
  for model in $models; do
    learn "$model" "$model" "$prepared"
    set -- "$@" "$model=$out/runs/$model"
  done
  $hierattn compare "$@" --folds "$folds" --bootstrap "$bootstrap" --device "$device" \
    --title "Light networks, $subject" --out "$out/table1"
else
  learn "$lead" "$lead" "$prepared" # the others need it
fi

if wanted protocols; then
  say "§3.2.2 the paper's protocol: balance first, fold afterwards; and how much it flatters"
  [ -f "$out/paper/prepared.json" ] ||
    $hierattn balance "$prepared" "$out/paper" --target "$target" --protocol paper --no-pictures
  learn "$lead-paper" "$lead" "$out/paper"
  $hierattn compare "$lead=$out/runs/$lead" "$lead=$out/runs/$lead-paper" --protocol both --folds "$folds" \
    --bootstrap "$bootstrap" --device "$device" --title "Two protocols, $subject" --out "$out/protocols"
fi

for what in attention stochastic-depth skip permutation; do
  wanted "$what" || continue
  say "ablation: $what"
  if [ "$what" = attention ]; then share "$what" sc; else share "$what" on; fi
  ablate "$what"
done
if wanted warmup && [ "$epochs" -gt 1 ]; then # a warm-up needs an epoch before and one after
  say "ablation: warmup (Table 4), from the weights just trained, fold by fold"
  ablate warmup "transfer.checkpoint=$out/runs/$lead/fold-{fold}/best.safetensors" \
    "transfer.frozen_epochs=$(((epochs + 3) / 4))"
fi
if wanted balance; then
  say "ablation: balance (Fig. 9), on the same outer folds"
  share balance on-the-fly
  ablate balance --target "$target"
fi

if wanted card; then
  say "the model card"
  first=$(echo "$folds" | cut -d, -f1 | cut -d- -f1)
  [ "$first" != all ] || first=0
  [ -f "$out/MODEL_CARD.md" ] || $hierattn card "$out/runs/$lead/fold-$first" --out "$out/MODEL_CARD.md"
fi
for comparison in "$out"/*/comparison.json; do
  [ -f "$comparison" ] || continue
  say "the paper's tables, ours beside them"
  $hierattn paper "$out"
  break
done
say "done: $out"
