#!/bin/bash
# The one test command. Sections, in their order when none is named:
#
#   lint     the sources (tools/lint.sh)
#   unit     release build, C units, the fuzz targets' corpora, PromQL's scripts
#   spec     busted specs against build/moongate
#   asan     the same units and specs under AddressSanitizer and UBSan
#   tsan     under ThreadSanitizer the same specs, and the units that start a thread
#   torture  the rows of tests/torture in their short form, but for row 14
#   fuzz     row 14: libFuzzer, FUZZ_SECONDS a target
#
# The last line is the sum of all counts: "N passed, N failed". The exit code is 0 when nothing failed.
#
# JOBS: processes at a time (all cores); specs, which wait two thirds of their time, run twice as many. SPECS: the spec files to run (tests/spec/*_spec.lua).
# FUZZ_SECONDS: 6.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

jobs=${JOBS:-$(nproc)}
fuzz_seconds=${FUZZ_SECONDS:-6}
all_sections=(lint unit spec torture asan tsan fuzz)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/moongate-test-XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# What sanitizers find ends the process, with a stack.
export ASAN_OPTIONS=abort_on_error=1:detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=$PWD/tests/tsan.supp

# Put before programs under test; TSan's section sets it.
export RUNNER=""

# ---- counting: a section's counts are lines "passed failed" in its own file ----

count() {
	echo "$1 $2" >>"$scratch/counts.$section"
}

# What was said is shown only when it failed.
quietly() {
	local said
	if ! said=$("$@" 2>&1); then
		printf '%s\n' "$said" | tail -n 100
		echo "FAILED: $*"
		return 1
	fi
}

build() {
	quietly cmake --preset "$1"
	quietly cmake --build --preset "$1" -j "$jobs"
}

# ---- sections ----

section_lint() {
	local code=0
	JOBS=$jobs tools/lint.sh | tee "$scratch/lint" || code=$?
	count_last "$scratch/lint" '^lint: ([0-9]+) passed, ([0-9]+) failed$'
	return $code
}

# The counts in the last line that matches; none is a failure of its own.
count_last() {
	local line
	line=$(sed 's/\x1b\[[0-9;]*m//g' "$1" | grep -E "$2" | tail -n 1) || true
	if [[ $line =~ $2 ]]; then
		count "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
	else
		count 0 1
	fi
}

# units <build folder>: ctest. A program on cmocka counts with its cases, any other as one.
units() {
	local code=0
	rm -f "$1/Testing/Temporary/LastTest.log"
	$RUNNER ctest --test-dir "$1" -j "$jobs" --output-on-failure --no-tests=error >"$scratch/ctest" 2>&1 || code=$?
	if [ $code = 0 ]; then
		tail -n 3 "$scratch/ctest"
	else
		grep -Ev ' Passed  *[0-9.]* sec$|^ *Start +[0-9]+: ' "$scratch/ctest"
	fi
	# The log has, a test: "1/9 Testing: name", its output, "Test Passed." or another verdict.
	awk '
		function close_test() {
			if (!open) return
			good += verdict == "Test Passed." ? (cases ? cases : 1) : cases
			bad += verdict == "Test Passed." ? 0 : (broken ? broken : 1)
			open = cases = broken = 0
			verdict = ""
		}
		/^[0-9]+\/[0-9]+ Testing: / { close_test(); open = 1 }
		/^\[       OK \] / { cases++ }
		/^\[  SKIPPED \] / { bad++ }
		/^\[  FAILED  \] [0-9]+ test\(s\), listed below:$/ { broken += $4 }
		/^Test (Passed|Failed|time)/ && !/^Test time/ { verdict = $0 }
		END { close_test(); print good + 0, bad + 0 }
	' "$1/Testing/Temporary/LastTest.log" >"$scratch/units" || echo "0 1" >"$scratch/units"
	read -r good bad <"$scratch/units"
	count "$good" "$bad"
	echo "$good cases passed, $bad failed"
	return $code
}

# One spec file; what it says goes to a file of its own.
one_spec() {
	local code=0
	$RUNNER timeout -k 10 900 busted --output=plainTerminal "$1" >"$2/${1//\//-}.out" 2>&1 || code=$?
	echo "exit code $code" >>"$2/${1//\//-}.out"
}
export -f one_spec

# specs <binary> <factor for deadlines>: busted, several files at a time.
specs() {
	local out=$scratch/specs file result good=0 bad=0 pattern
	local -a files
	pattern='^([0-9]+) success(es)? / ([0-9]+) failures? / ([0-9]+) errors? / ([0-9]+) pending'
	read -ra files <<<"${SPECS:-$(echo tests/spec/*_spec.lua)}"
	rm -rf "$out"
	mkdir "$out"
	export MOONGATE_BIN=$1 MOONGATE_TEST_SLOW=$2
	printf '%s\n' "${files[@]}" | xargs -P $((jobs * 2)) -I '{}' bash -c 'one_spec "$1" "$2"' bash '{}' "$out"
	for file in "${files[@]}"; do
		result=$out/${file//\//-}.out
		if [[ $(grep -E "$pattern" "$result" | tail -n 1) =~ $pattern ]]; then
			local successes=${BASH_REMATCH[1]} failures=$((BASH_REMATCH[3] + BASH_REMATCH[4] + BASH_REMATCH[5]))
			# A file without a test has failed, and so has one whose tests passed but not its end.
			if [ $failures = 0 ] && { [ "$successes" = 0 ] || ! grep -q '^exit code 0$' "$result"; }; then
				failures=1
			fi
			good=$((good + successes))
			bad=$((bad + failures))
			[ $failures = 0 ] || cat "$result"
			printf '%-32s %4d passed, %d failed\n' "$file" "$successes" "$failures"
		else
			bad=$((bad + 1))
			cat "$result"
			printf '%-32s did not come to its end\n' "$file"
		fi
	done
	count $good $bad
	[ $bad = 0 ]
}

# scripts <build folder>: PromQL's: ours, and Prometheus's own where they lie beside the project.
scripts() {
	local code=0
	local -a files=(tests/promql/*.test)
	if [ -d ../shared/promql ]; then
		files+=(../shared/promql/*.test)
	fi
	$RUNNER timeout -k 10 300 "$1/promqltest" "${files[@]}" >"$scratch/promqltest" 2>&1 || code=$?
	cat "$scratch/promqltest"
	count_last "$scratch/promqltest" '^([0-9]+) passed, ([0-9]+) failed, [0-9]+ skipped$'
	return $code
}

section_unit() {
	local code=0
	build release
	units build || code=1
	scripts build || code=1
	return $code
}

section_spec() {
	build release
	specs build/moongate 1
}

section_torture() {
	local code=0
	build release
	tests/torture/run.sh --short -14 | tee "$scratch/torture" || code=$?
	count_last "$scratch/torture" '^([0-9]+) passed, ([0-9]+) failed$'
	return $code
}

section_asan() {
	local code=0
	build asan
	units build-asan || code=1
	scripts build-asan || code=1
	specs build-asan/moongate 4 || code=1
	return $code
}

section_tsan() {
	local code=0
	build tsan
	# gcc's TSan finds its memory taken where the kernel randomises many bits of addresses.
	if setarch "$(uname -m)" -R true 2>/dev/null; then
		RUNNER="setarch $(uname -m) -R"
	fi
	units build-tsan || code=1
	specs build-tsan/moongate 8 || code=1
	return $code
}

section_fuzz() {
	local code=0
	JOBS=$jobs tests/fuzz/run.sh "$fuzz_seconds" | tee "$scratch/fuzz" || code=$?
	count_last "$scratch/fuzz" '^([0-9]+) passed, ([0-9]+) failed$'
	return $code
}

# ---- all of them ----

wanted=("$@")
[ ${#wanted[@]} -gt 0 ] || wanted=("${all_sections[@]}")
for section in "${wanted[@]}"; do
	if ! declare -F "section_$section" >/dev/null; then
		echo "run.sh: no section is called $section; there are: ${all_sections[*]}" >&2
		exit 2
	fi
done

table=""
total_passed=0
total_failed=0
for section in "${wanted[@]}"; do
	printf '\n==== %s ====\n' "$section"
	begin=$SECONDS
	: >"$scratch/counts.$section"
	set +e
	(
		set -e
		"section_$section"
	)
	code=$?
	set -e
	read -r passed failed < <(awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }' "$scratch/counts.$section")
	# A section that broke off, or that tested nothing, has failed.
	if [ "$failed" = 0 ] && { [ $code != 0 ] || [ "$passed" = 0 ]; }; then
		failed=1
	fi
	total_passed=$((total_passed + passed))
	total_failed=$((total_failed + failed))
	table+=$(printf '%-8s %8d %8d %8d s' "$section" "$passed" "$failed" $((SECONDS - begin)))$'\n'
done

printf '\n%-8s %8s %8s %10s\n%s\n' section passed failed time "$table"
echo "$total_passed passed, $total_failed failed"
[ $total_failed = 0 ]
