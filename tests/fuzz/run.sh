#!/bin/sh
# Fuzzes every target for so many seconds: tests/fuzz/run.sh [SECONDS], 60 if not given; or one:
#   tests/fuzz/run.sh SECONDS TARGET [libFuzzer options]
# Works with the stable compiler. Findings go to artifacts/, the corpus grows in corpus/TARGET; what
# is worth keeping goes to seeds/TARGET, which `cargo test --test engine corpus` replays.
set -eu
cd "$(dirname "$0")"
seconds=${1:-60}
targets=${2:-$(basename -s .rs targets/*.rs)}
[ $# -lt 2 ] && shift $# || shift 2
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address --cfg fuzzing"
for target in $targets; do
    cargo build --release --target "$host" --bin "$target"
    mkdir -p "corpus/$target" artifacts
    echo "== $target"
    "target/$host/release/$target" -max_total_time="$seconds" -print_final_stats=1 \
        -artifact_prefix="artifacts/$target-" "$@" "corpus/$target" "seeds/$target"
done
