#!/bin/bash
# Fuzzes every target, several at a time, for so many seconds each; then replays what was found on the way in the release build, where the bounds of bounds.c hold as
# they are written. Builds both first.
#
#   tests/fuzz/run.sh <seconds> [target…]     targets by their names, as in fuzz_<name>.c; all
#
# The corpora grow in build-fuzz/corpus/, begun with those of the repository; a failing input is left in build-fuzz/artifacts/. A line for each target; the last one is
# "N passed, N failed". JOBS: processes at a time (all cores).
set -euo pipefail
cd "$(dirname "$0")/../.."
exec </dev/null

seconds=${1:?how many seconds for each target}
shift
jobs=${JOBS:-$(nproc)}
export ASAN_OPTIONS=abort_on_error=1:detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
out=$(mktemp -d "${TMPDIR:-/tmp}/moongate-fuzz-run-XXXXXX")
trap 'rm -rf "$out"' EXIT

# What was said is shown only when it failed.
build() {
	local said
	said=$(cmake --preset "$1" 2>&1 && cmake --build --preset "$1" -j "$jobs" 2>&1) && return
	printf '%s\n' "$said" | tail -n 100
	return 1
}

# cost <output> <unit>: what the dearest input took.
cost() {
	sed -n "s/^bounds:.* \([0-9]*\) $2.*/\1 $2/p" "$1" | tail -n 1
}

one() { # one <name> <seconds> <folder for outputs>
	local name=$1 code=0
	local own=build-fuzz/corpus/$name seeds=tests/fuzz/corpus/$name dictionary=tests/fuzz/$name.dict said=$3/$name.out
	# Time and memory are counted by bounds.c; these end what hangs, or takes memory at one stroke.
	local -a options=(-max_total_time="$2" -timeout=20 -max_len=65536 -malloc_limit_mb=64 -rss_limit_mb=2048 -print_final_stats=1
		-artifact_prefix="build-fuzz/artifacts/$name-")
	[ -f "$dictionary" ] && options+=(-dict="$dictionary")
	mkdir -p "$own" build-fuzz/artifacts
	build-fuzz/tests/fuzz_"$name" "${options[@]}" "$own" "$seeds" >"$said" 2>&1 || code=$?
	if [ $code != 0 ]; then
		tail -n 60 "$said"
		echo "FAILED  $name: exit code $code; the input is in build-fuzz/artifacts/"
		return
	fi
	local inputs memory
	inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$said")
	memory=$(cost "$said" MB)
	build/tests/fuzz_"$name" "$own" "$seeds" >"$said" 2>&1 || code=$?
	if [ $code = 0 ]; then
		echo "ok      $name: $inputs inputs, at most $(cost "$said" ms) and $memory"
	else
		tail -n 60 "$said"
		echo "FAILED  $name: exit code $code in the release build, for a file of $own or $seeds"
	fi
}
export -f one cost

build release
build fuzz
if [ $# = 0 ]; then
	for source in tests/fuzz/fuzz_*.c; do
		name=${source##*/fuzz_}
		set -- "$@" "${name%.c}"
	done
fi
printf '%s\n' "$@" | xargs -P "$jobs" -I '{}' bash -c 'one "$@"' bash '{}' "$seconds" "$out" | tee "$out/results"
good=$(grep -c '^ok  ' "$out/results") || true
echo "$good passed, $(($# - good)) failed"
[ "$good" = $# ]
