#!/bin/sh
# Fuzzes one target: tests/fuzz/run.sh TARGET [libFuzzer options], for example
#   tests/fuzz/run.sh metainfo -max_total_time=60
# Works with the stable compiler. Findings go to artifacts/, the corpus is kept in corpus/TARGET.
set -eu
cd "$(dirname "$0")"
target=$1
shift
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address --cfg fuzzing"
cargo build --release --target "$host" --bin "$target"
mkdir -p "corpus/$target" artifacts
exec "target/$host/release/$target" -artifact_prefix=artifacts/ "$@" "corpus/$target"
