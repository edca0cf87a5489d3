# shellcheck shell=sh disable=SC2034,SC2154
# What the scripts of packages have in common that install a release through kata-deploy; the build puts
# it into each, behind lines that set
#
#	name	of the package
#	engine	kata-deploy
#	release, keys	where the package has them, by the names that hold for the system that is changed
#	root	that system's root directory, "" for this one
#
# The package's system owns the release in $release. kata-deploy owns what is below /opt/kata and in the
# container manager's configuration; that is the package's as long as kata-deploy has on record that it
# came from there. What a person installed otherwise is left alone.

# A node that upgrades itself may be at it just now: a package waits for it, instead of being half configured.
kata() { # VERB [ARG...]
	verb=$1
	shift
	"$engine" "$verb" --lock-wait 900 ${root:+--root "$root"} "$@"
}
# Sets origin: nothing, ours or theirs.
look() {
	found=$(kata status --json) || true
	case $found in
	*'"installed": true'*"\"$release\""* | *'"installed":true'*"\"$release\""*) origin=ours ;;
	*'"installed": true'* | *'"installed":true'*) origin=theirs ;;
	*'"installed": false'* | *'"installed":false'*) origin=nothing ;;
	*)
		echo "$name: kata-deploy status says nothing about /opt/kata" >&2
		return 1
		;;
	esac
}
# To the pin counts neither the release's expiry nor a channel: that this release is meant is said by the
# package. No proof: it must be installable where no VM runs.
lay_down() { # [OPTION...]
	kata install --yes --no-proof --quiet "$@" --release "$root$release" --trust-dir "$root$keys" --pin "$pin"
}
leave() {
	echo "$name: /opt/kata was installed from elsewhere and stays as it is; for this release:"
	echo "    kata-deploy upgrade --release $release --trust-dir $keys"
}
