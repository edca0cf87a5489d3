# shellcheck shell=sh disable=SC2034
# What the maintainer scripts have in common; deb.sh puts it into each.
#
# dpkg owns the release in $release. kata-deploy owns what is below /opt/kata and in the container
# manager's configuration; that is the package's as long as kata-deploy has on record that it came from
# there. What a person installed otherwise is left alone.
release=/usr/lib/kata-containers/release
keys=/usr/lib/kata-containers/keys
root=$DPKG_ROOT

kata() { # VERB [ARG...]
	verb=$1
	shift
	"$root/usr/bin/kata-deploy" "$verb" ${root:+--root "$root"} "$@"
}
# Sets origin: nothing, ours or theirs.
look() {
	found=$(kata status --json) || true
	case $found in
	*'"installed": true'*"\"$release\""* | *'"installed":true'*"\"$release\""*) origin=ours ;;
	*'"installed": true'* | *'"installed":true'*) origin=theirs ;;
	*'"installed": false'* | *'"installed":false'*) origin=nothing ;;
	*)
		echo "kata-containers: kata-deploy status says nothing about /opt/kata" >&2
		return 1
		;;
	esac
}
