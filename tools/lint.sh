#!/bin/bash
# Everything that reads the sources instead of running them. Each check says "ok" or "FAILED" with what it found; the last line counts them.
#
#   tools/lint.sh            all checks
#   tools/lint.sh tidy …     only these: format includes calls words length docs lua tidy
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=${JOBS:-$(nproc)}
passed=0
failed=0

# Files that are in the repository or would be; those deleted but not yet committed are left out.
sources() {
	local file
	git ls-files --cached --others --exclude-standard "$@" | while IFS= read -r file; do
		[ -f "$file" ] && printf '%s\n' "$file"
	done
}

check_format() {
	tools/format.sh --check
}

check_includes() {
	sources 'core/*.c' 'core/*.cc' 'core/*.h' | xargs luajit tools/check_source.lua includes
}

check_calls() {
	sources 'core/*.c' 'core/*.h' | xargs luajit tools/check_source.lua calls
}

check_words() {
	sources '*.c' '*.cc' '*.h' '*.lua' '*.sh' '*.md' '*.cmake' '*CMakeLists.txt' Makefile | xargs luajit tools/check_source.lua words
}

check_length() {
	sources '*.c' '*.cc' '*.h' '*.lua' | xargs luajit tools/check_source.lua length
}

check_docs() {
	luajit tools/luadoc.lua core/script/lib/api*.lua | diff docs/lua.md - || {
		echo "docs/lua.md is not what core/script/lib/api*.lua says: luajit tools/luadoc.lua core/script/lib/api*.lua > docs/lua.md"
		return 1
	}
}

check_lua() {
	luacheck --quiet --no-color .
}

# One file: each finding with its line, without the analyzer's long way to it. A clean file is not looked at again before it is recompiled.
tidy_one() {
	local said code=0
	said=$(clang-tidy -p build --quiet "$1" 2>"$2.err") || code=$?
	if [ $code != 0 ]; then
		printf '%s\n' "$said" | grep -A 2 -E '^[^ ].*(error|warning): ' || cat "$2.err"
		return 1
	fi
	mv "$2.err" "$2"
}

# What was said is of interest only when it failed.
build_release() {
	local said=""
	said=$(cmake --preset release 2>&1 && cmake --build --preset release -j "$jobs" 2>&1) && return
	printf '%s\n' "$said"
	return 1
}

check_tidy() {
	build_release || return
	export -f tidy_one
	luajit tools/tidy_list.lua | xargs -r -P "$jobs" -L 1 bash -euo pipefail -c 'tidy_one "$1" "$2"' bash
}

check() {
	local output code=0 begin=$SECONDS
	output=$("check_$1" 2>&1) || code=$?
	if [ $code = 0 ]; then
		printf 'ok      %-10s %s (%d s)\n' "$1" "$2" $((SECONDS - begin))
		passed=$((passed + 1))
	else
		printf '%s\nFAILED  %-10s %s\n' "$output" "$1" "$2"
		failed=$((failed + 1))
	fi
}

declare -A titles=(
	[format]="clang-format"
	[includes]="modules include only what is above them"
	[calls]="memory, files, time and output come from base/"
	[words]="nothing is left to be done"
	[length]="sources have at most 800 lines"
	[docs]="docs/lua.md is made from the contract"
	[lua]="luacheck"
	[tidy]="clang-tidy"
)
wanted=("$@")
[ ${#wanted[@]} -gt 0 ] || wanted=(format includes calls words length docs lua tidy)
for name in "${wanted[@]}"; do
	if [ -z "${titles[$name]-}" ]; then
		echo "lint.sh: no check is called $name" >&2
		exit 2
	fi
	check "$name" "${titles[$name]}"
done
echo "lint: $passed passed, $failed failed"
[ $failed = 0 ]
