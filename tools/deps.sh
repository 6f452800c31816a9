#!/bin/bash
# Installs what is missing of the packages that moongate is built with (deps.sh build), tested with (deps.sh test) and measured beside (deps.sh bench).
#
# With nothing missing it does nothing and needs no rights. Elsewhere than on Debian it names what is missing and leaves the rest to you.
set -euo pipefail

build=(gcc g++ make cmake ninja-build pkg-config
	libuv1-dev libluajit-5.1-dev node-llhttp libcjson-dev libsimdjson-dev zlib1g-dev libzstd-dev libsnappy-dev nettle-dev libre2-dev libyaml-dev
	libcurl4-openssl-dev
	libcmocka-dev libprotobuf-c-dev protobuf-c-compiler) # CMake configures the unit tests in every build
tests=(luajit lua-busted lua-check lua-socket lua-cjson curl openssl clang clang-format clang-tidy libclang-rt-14-dev prometheus)
command -v npm >/dev/null || tests+=(nodejs npm) # specs run real SDKs; Node.js of another source brings its own npm
benches=(victoria-metrics)

# What a package is looked for by where there is no dpkg.
commands=(gcc g++ cmake ninja pkg-config protoc-c)
libraries=(libuv luajit libcjson simdjson zlib libzstd snappy nettle re2 yaml-0.1 libcurl cmocka libprotobuf-c)

installed() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		env DEBIAN_FRONTEND=noninteractive "$@" </dev/null
	else
		sudo env DEBIAN_FRONTEND=noninteractive "$@" </dev/null
	fi
}

with_apt() {
	local missing=() package
	for package in "$@"; do
		installed "$package" || missing+=("$package")
	done
	[ ${#missing[@]} = 0 ] && return
	echo "Installing from Debian: ${missing[*]}"
	if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
		echo "deps.sh: not root and no sudo; as root, run: apt-get install --no-install-recommends ${missing[*]}" >&2
		exit 1
	fi
	as_root apt-get update -q
	as_root apt-get install -q -y --no-install-recommends "${missing[@]}"
}

without_apt() {
	local missing=() name
	for name in "${commands[@]}"; do
		command -v "$name" >/dev/null || missing+=("the command $name")
	done
	for name in "${libraries[@]}"; do
		pkg-config --exists "$name" 2>/dev/null || missing+=("the library $name")
	done
	[ -e /usr/share/llhttp/llhttp.c ] || missing+=("llhttp's C sources in /usr/share/llhttp")
	[ ${#missing[@]} = 0 ] && return
	echo "deps.sh: no apt-get here, and these are missing:" >&2
	printf '  %s\n' "${missing[@]}" >&2
	echo "On Debian 12 they are in: $*" >&2
	exit 1
}

case ${1-} in
build) wanted=("${build[@]}") ;;
test) wanted=("${build[@]}" "${tests[@]}") ;;
bench) wanted=("${build[@]}" "${tests[@]}" "${benches[@]}") ;;
*)
	echo "usage: deps.sh build|test|bench" >&2
	exit 2
	;;
esac
if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
	with_apt "${wanted[@]}"
else
	without_apt "${wanted[@]}"
fi
