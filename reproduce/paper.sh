#!/bin/sh
# The whole paper in order, at its own size: 256 pixels, 500 epochs, 10 folds, ISIC 2019 and PAD-UFES-20.
# Weeks on one GPU: run it in parts, on several machines, or stop it and start it again; finished folds are kept.
#
#   sh reproduce/paper.sh ISIC_2019 PAD_UFES_20 [OUT]
#
# ISIC_2019 and PAD_UFES_20 are the sets as they were unpacked ('hierattn fetch' says where they are to be had);
# the recipes start from weights/mobilevit_xs.safetensors. EPOCHS and FOLDS make a smaller budget: EPOCHS=20 FOLDS=0,1.
set -eu

[ $# -ge 2 ] || { echo "usage: sh reproduce/paper.sh ISIC_2019 PAD_UFES_20 [OUT]" >&2; exit 2; }
isic=$1 pad=$2 out=${3:-out/paper}
folds=${FOLDS:-0-9} epochs=${EPOCHS:-500} device=${DEVICE:-auto} jobs=${JOBS:-1}
hierattn=${HIERATTN:-hierattn}

say() { printf '\n== %s\n' "$*"; }
how="--folds $folds --device $device --jobs $jobs"
change="optimiser.epochs=$epochs"

say "§3.1, §3.2.1 data, crop, folds that keep lesions and patients together"
[ -f "$out/isic/prepared.json" ] || $hierattn prepare "$isic" "$out/isic" --size 256 --folds 10
[ -f "$out/pad/prepared.json" ] || $hierattn prepare "$pad" "$out/pad" --size 256 --folds 10

say "§3.2.2 IHISIC20000 and IHPAD3000, by the paper's protocol"
[ -f "$out/IHISIC20000/prepared.json" ] ||
  $hierattn balance "$out/isic" "$out/IHISIC20000" --variant IHISIC --protocol paper
[ -f "$out/IHPAD3000/prepared.json" ] ||
  $hierattn balance "$out/pad" "$out/IHPAD3000" --variant IHPAD --protocol paper

for set in isic pad; do
  case $set in
    isic) recipes=isic2019 balanced=IHISIC20000 target=isic2019 ;;
    pad) recipes=pad_ufes_20 balanced=IHPAD3000 target=pad ;;
  esac
  say "Table 1, Figs. 7 and 8 on $set: eight networks, the honest protocol and the paper's, and the gap"
  set --
  for model in hierattn_s hierattn_xs mobilenet_v2 mobilevit_s mobilenet_v3_large shufflenet_v2_1x mnasnet1_0 \
    efficientnet_b0; do
    set -- "$@" --recipe "$model=$recipes/$model"
  done
  # The honest runs balance on the fly what the paper's protocol balances beforehand.
  $hierattn compare "$@" --set "$change" --set data.sampling=balanced --data "$out/$set" \
    --paper-data "$out/$balanced" --protocol both --runs "$out/runs/$set" $how \
    --title "Table 1 on $set" --out "$out/table1-$set"

  say "Fig. 9 on $set: balancing, on the same outer folds"
  $hierattn ablate balance "$change" --recipe "$recipes/hierattn_s" --data "$out/$set" --target "$target" $how \
    --runs "$out/runs/$set-balance" --out "$out/fig9-$set"
done

for what in attention warmup stochastic-depth skip permutation; do
  say "Tables 2, 4, 5, 6 and ours: $what"
  $hierattn ablate "$what" "$change" data.sampling=balanced --recipe isic2019/hierattn_s --data "$out/isic" $how \
    --runs "$out/runs/ablate-$what" --out "$out/ablation-$what"
done

say "inference time (Table 1's milliseconds)"
$hierattn benchmark inference --json >"$out/inference.json"

say "model cards"
first=$(echo "$folds" | cut -d, -f1 | cut -d- -f1)
for set in isic pad; do
  $hierattn card "$out/runs/$set/hierattn_s/fold-$first" --out "$out/MODEL_CARD-$set.md"
done
say "done: $out"
