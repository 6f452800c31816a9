#!/bin/bash
# The rows of README.md, one after another: each breaks something and holds the gateway to its promise.
#
#   tests/torture/run.sh [--short] [number…]     all rows, those of these numbers, or with -number… all but these
#
# Every row is a command of its own: row_<number>_<name>.lua (run by luajit in the repository's root), .sh, or .c (a program of the
# release build, in build/tests/). It reads TORTURE=short|long, prints one line that begins with "row", and exits 0 when it held. One at a time, since
# some measure latency. The last line is "N passed, N failed".
#
# BUILD: the build folder (build). TORTURE_SECONDS: after how long a row is ended as hung (short 300, long 7200).
set -euo pipefail
cd "$(dirname "$0")/../.."
exec </dev/null

export TORTURE=long
if [ "${1:-}" = --short ]; then
	TORTURE=short
	shift
fi
build=${BUILD:-build}
limit=${TORTURE_SECONDS:-$([ $TORTURE = short ] && echo 300 || echo 7200)}
export MOONGATE_BIN=$build/moongate
out=$(mktemp "${TMPDIR:-/tmp}/moongate-torture-XXXXXX")
trap 'rm -f "$out"' EXIT

wanted() { # wanted <number> <numbers…>
	local number=$1
	local code=0 each
	shift
	for each in "$@"; do
		[ "$((10#${each#-}))" = "$((10#$number))" ] && { [ "$each" = "${each#-}" ]; return; }
		[ "$each" = "${each#-}" ] && code=1
	done
	return $code
}

good=0
bad=0
for source in tests/torture/row_*; do
	name=${source##*/}
	number=${name#row_}
	number=${number%%_*}
	wanted "$number" "$@" || continue
	case $name in
		*.lua) command=(luajit "$source") ;;
		*.sh) command=("$source") ;;
		*.c) command=("$build/tests/torture_${name%.c}") ;;
		*) continue ;;
	esac
	code=0
	timeout -k 10 "$limit" "${command[@]}" >"$out" 2>&1 || code=$?
	grep '^row ' "$out" | tail -n 1 || true
	if [ $code = 0 ] && grep -q '^row .* ok ' "$out"; then
		good=$((good + 1))
		continue
	fi
	bad=$((bad + 1))
	tail -n 60 "$out"
	[ $code = 124 ] && echo "row $number: did not come to its end in $limit s"
	echo "FAILED: ${command[*]} (exit code $code)"
done
echo "$good passed, $bad failed"
[ $bad = 0 ] && [ $good != 0 ]
