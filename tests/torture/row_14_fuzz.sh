#!/bin/bash
# Row 14: every decoder is fuzzed (tests/fuzz/run.sh), 10 minutes each in the long form. No crash, and no input over 100 ms of CPU or 64 MB.
#
# FUZZ_SECONDS: for each target; 28800 before a release, with TORTURE_SECONDS long enough for all of them. In `make test` the section "fuzz" is this row.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${FUZZ_SECONDS:-$([ "${TORTURE:-long}" = short ] && echo 1 || echo 600)}
code=0
said=$(tests/fuzz/run.sh "$seconds") || code=$?
printf '%s\n' "$said"
targets=$(grep -c '^ok  ' <<<"$said") || true
inputs=$(sed -n 's/^ok  .*: \([0-9]*\) inputs,.*/\1/p' <<<"$said" | awk '{ sum += $1 } END { printf "%.1f", sum / 1e6 }')
most() { # most <unit>
	sed -n "s/^ok  .* \([0-9]*\) $1.*/\1/p" <<<"$said" | sort -n | tail -n 1
}
verdict=$([ $code = 0 ] && echo ok || echo FAILED)
printf 'row 14  %-44s %-7s %s\n' "fuzzing each decoder" "$verdict" \
	"$targets decoders for $seconds s each, $inputs million inputs, at most $(most ms) ms and $(most MB) MB"
exit $code
