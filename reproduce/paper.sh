#!/bin/sh
# The whole paper in order, at its own size: 256 pixels, 500 epochs, 10 folds, ISIC 2019 and PAD-UFES-20. It ends with
# OUT/paper.html: Tables 1 to 6 and the figures' numbers, the paper's value beside ours, with protocol and budget.
#
#   hierattn fetch isic2019 ISIC_2019 && hierattn fetch pad-ufes-20 PAD_UFES_20 && hierattn fetch imagenet weights
#   sh reproduce/paper.sh ISIC_2019 PAD_UFES_20 [OUT]                                  default: out/paper
#   EPOCHS=20 FOLDS=0,1 sh reproduce/paper.sh ISIC_2019 PAD_UFES_20 out/paper-20       a smaller budget
#
# Weeks on one GPU: it says what one training takes before the first. It may be stopped and started again, also with more
# FOLDS or PARTS: finished folds are kept, others resume. Another budget wants another OUT.
# On ISIC 2019 the networks start from ImageNet weights, on PAD-UFES-20 from those that it has just trained on ISIC 2019
# (§4.1.1). Missing files of weights are listed at once, each with how to get it.
# What may be set before it:
#   EPOCHS (500)      frozen epochs (30 of 500) and the warm-up of the learning rate (15 of 500) keep their share
#   FOLDS (0-9)       those that are held out; OF_FOLDS (10): how many the sets are cut into
#   MODELS            of Table 1's eight; the first, a HierAttn, is what the ablations take apart
#   TRANSFER (paper)  none: everything starts from random weights; Table 4 is then left out
#   WEIGHTS (weights) the folder of the ImageNet weights
#   PARTS             of: table1 balance attention warmup stochastic-depth skip permutation timing card
#   SIZE (256) BATCH (64) EPOCH_IMAGES (0: all) TARGET_ISIC (2500) TARGET_PAD (500) ITERATIONS (1000) BOOTSTRAP (1000)
#   DEVICE (auto) JOBS (1) THREADS (0)
# The smallest budget, for a test of the script itself:
#   EPOCHS=1 FOLDS=0 OF_FOLDS=3 MODELS=hierattn_xs TRANSFER=none SIZE=32 BATCH=8 EPOCH_IMAGES=8 TARGET_ISIC=8 TARGET_PAD=8 \
#     ITERATIONS=2 BOOTSTRAP=100 sh reproduce/paper.sh RENDERED_ISIC RENDERED_PAD /tmp/paper
set -eu

[ $# -ge 2 ] || { echo "usage: sh reproduce/paper.sh ISIC_2019 PAD_UFES_20 [OUT]" >&2; exit 2; }
isic=$1 pad=$2 out=${3:-out/paper}
epochs=${EPOCHS:-500} folds=${FOLDS:-0-9} of_folds=${OF_FOLDS:-10} size=${SIZE:-256} batch=${BATCH:-64}
models=${MODELS:-hierattn_s hierattn_xs mobilenet_v2 mobilevit_s mobilenet_v3_large shufflenet_v2_1x mnasnet1_0 efficientnet_b0}
transfer=${TRANSFER:-paper} weights=${WEIGHTS:-weights} epoch_images=${EPOCH_IMAGES:-0} bootstrap=${BOOTSTRAP:-1000}
parts=${PARTS:-table1 balance attention warmup stochastic-depth skip permutation timing card}
hierattn=${HIERATTN:-hierattn}
lead=${models%% *}
first=$(echo "$folds" | cut -d, -f1 | cut -d- -f1)
[ "$first" != all ] || first=0

say() { printf '\n== %s  %s\n' "$(date '+%d %b %H:%M')" "$*"; }
wanted() { case " $parts " in *" $1 "*) true ;; *) false ;; esac; }
refuse() { echo "paper.sh: $*" >&2; exit 2; }
how="--folds $folds --device ${DEVICE:-auto} --jobs ${JOBS:-1} --threads ${THREADS:-0} --bootstrap $bootstrap"
change="optimiser.epochs=$epochs optimiser.batch_size=$batch data.epoch_images=$epoch_images"
change="$change optimiser.warmup_epochs=$(awk "BEGIN { print 15 * $epochs / 500 }") data.sampling=balanced"

say "what is needed"
for set in "$isic" "$pad"; do [ -d "$set" ] || refuse "no folder $set: 'hierattn fetch --list' shows the sets"; done
case $transfer in
  paper)
    $hierattn fetch "$(echo "$models" | tr -s ' ' ,)" "$weights" --check || {
      echo "paper.sh: get these files first, name their folder in WEIGHTS, or set TRANSFER=none" >&2
      exit 1
    }
    isic_start=transfer.checkpoint=imagenet:$weights isic_frozen=
    [ "$epochs" -gt 1 ] || say "one epoch leaves none to freeze: Table 4 is left out"
    ;;
  none) isic_start=transfer.checkpoint= isic_frozen=transfer.frozen_epochs=0 ;;
  *) refuse "TRANSFER=$transfer: wanted paper or none" ;;
esac
case $lead in hierattn_*) ;; *) refuse "MODELS begins with $lead: wanted a HierAttn first" ;; esac
# Where a network on SET starts, for the run called NAME: start SET NAME
start() {
  if [ "$transfer" = none ] || [ "$1" = isic ]; then
    echo "$isic_start"
  else
    echo "transfer.checkpoint=$out/runs/isic/$2/fold-$first/best.safetensors"
  fi
}

# The variant that changes nothing was trained for Table 1 already: share ABLATION VARIANT
share() {
  for run in "$out/runs/isic/$lead"/fold-*; do
    copy=$out/runs/ablate-$1/$2/$(basename "$run")
    { [ -f "$run/evaluation/cases.csv" ] && [ ! -d "$copy" ]; } || continue
    rm -rf "$copy.part"
    mkdir -p "$(dirname "$copy")"
    cp -R "$run" "$copy.part"
    mv "$copy.part" "$copy"
  done
}

say "§3.1, §3.2.1 data, crop, folds that keep lesions and patients together"
[ -f "$out/isic/prepared.json" ] || $hierattn prepare "$isic" "$out/isic" --size "$size" --folds "$of_folds"
[ -f "$out/pad/prepared.json" ] || $hierattn prepare "$pad" "$out/pad" --size "$size" --folds "$of_folds"

say "§3.2.2 IHISIC20000 and IHPAD3000, by the paper's protocol"
[ -f "$out/IHISIC20000/prepared.json" ] || $hierattn balance "$out/isic" "$out/IHISIC20000" --variant IHISIC \
  --target "${TARGET_ISIC:-isic2019}" --protocol paper
[ -f "$out/IHPAD3000/prepared.json" ] || $hierattn balance "$out/pad" "$out/IHPAD3000" --variant IHPAD \
  --target "${TARGET_PAD:-pad}" --protocol paper

if [ ! -d "$out/runs/isic/$lead/fold-$first" ]; then
  say "what one of its trainings takes: $lead on one fold of ISIC 2019. Each fold has $(echo "$models" | wc -w) networks on two" \
    "sets by two protocols, and about 16 ablations"
  $hierattn train "isic2019/$lead" $change "$(start isic "$lead")" $isic_frozen "data.fold=$first" --data "$out/isic" \
    --out "$out/runs/estimate" --device "${DEVICE:-auto}" --threads "${THREADS:-0}" --dry-run
fi

for set in isic pad; do
  case $set in
    isic) recipes=isic2019 balanced=IHISIC20000 target=${TARGET_ISIC:-isic2019} ;;
    pad) recipes=pad_ufes_20 balanced=IHPAD3000 target=${TARGET_PAD:-pad} ;;
  esac
  set --
  for word in $change "$(start $set '{name}')" $isic_frozen; do set -- "$@" --set "$word"; done
  for model in $models; do set -- "$@" --recipe "$model=$recipes/$model"; done
  if wanted table1; then
    say "Table 1, Figs. 7 and 8 on $set, the honest protocol and the paper's, and the gap: $models"
    # The honest runs balance on the fly what the paper's protocol balances beforehand.
    $hierattn compare "$@" --data "$out/$set" --paper-data "$out/$balanced" --protocol both --runs "$out/runs/$set" \
      --title "Table 1 on $set" --out "$out/table1-$set" $how
  fi
  if wanted balance; then
    say "Fig. 9 on $set: balancing, on the same outer folds"
    $hierattn ablate balance $change "$(start $set "$lead")" $isic_frozen --recipe "$recipes/$lead" --data "$out/$set" \
      --target "$target" --runs "$out/runs/$set-balance" --out "$out/fig9-$set" $how
  fi
done

for what in attention warmup stochastic-depth skip permutation; do
  wanted "$what" || continue
  [ "$what" != warmup ] || { [ "$transfer" = paper ] && [ "$epochs" -gt 1 ]; } || continue
  say "Tables 2, 4, 5, 6 and ours: $what"
  if [ "$what" = attention ]; then share "$what" sc; else share "$what" on; fi
  $hierattn ablate "$what" $change "$(start isic "$lead")" $isic_frozen --recipe "isic2019/$lead" --data "$out/isic" \
    --runs "$out/runs/ablate-$what" --out "$out/ablation-$what" $how
done

if wanted timing && [ ! -f "$out/inference.json" ]; then
  say "inference time (Table 1's and Table 2's milliseconds): ${ITERATIONS:-1000} iterations of one image"
  $hierattn benchmark inference $models "$lead:attention=none" "$lead:attention=se" "$lead:attention=sc" \
    --runtimes pytorch --rounds "${ITERATIONS:-1000}" --batch 1 --threads 1 --size "$size" --json >"$out/inference.json.part"
  mv "$out/inference.json.part" "$out/inference.json"
fi

if wanted card; then
  say "model cards"
  for set in isic pad; do
    [ -f "$out/MODEL_CARD-$set.md" ] ||
      $hierattn card "$out/runs/$set/$lead/fold-$first" --out "$out/MODEL_CARD-$set.md"
  done
fi

say "the paper's tables, ours beside them"
$hierattn paper "$out"
