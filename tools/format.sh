#!/bin/bash
# clang-format over all C: in place, or with --check a list of what differs and exit code 1.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.c' '*.h' '*.cc')
[ ${#files[@]} -gt 0 ]
if [ "${1-}" = --check ]; then
	# One line a file: where it first differs.
	found=$(clang-format --dry-run "${files[@]}" 2>&1 | awk -F: '/-Wclang-format-violations/ && !seen[$1]++ { print $1 ":" $2 ": is not as clang-format has it" }')
	[ -z "$found" ] && exit
	printf '%s\n' "$found"
	exit 1
fi
exec clang-format -i "${files[@]}"
