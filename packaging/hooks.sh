# shellcheck shell=sh disable=SC2034,SC2154
# The common part of the maintainer scripts and hooks of packages that install a release through kata-deploy.
# The build inserts it into each of them, after lines that set
#
#	name	the name of the package
#	engine	the program kata-deploy, and command, what a person types to run it
#	release, keys	the package's directories, by their paths within the system that is changed
#	root	that system's root directory, "" for this system
#
# The package system owns the release in $release. kata-deploy owns /opt/kata and its lines in the container
# manager's configuration. The installation counts as the package's while kata-deploy's record says that it came
# from $release. An installation from elsewhere is left alone.

# The node's upgrade timer may be running kata-deploy just now: wait for it, because a failure would leave the package
# half configured.
kata() { # VERB [ARG...]
	verb=$1
	shift
	"$engine" "$verb" --lock-wait 900 ${root:+--root "$root"} "$@"
}
# Sets origin to what is installed: nothing, ours (the package's release) or theirs (a release from elsewhere).
look() {
	found=$(kata status --json) || true
	case $found in
	*'"installed": true'*"\"$release\""* | *'"installed":true'*"\"$release\""*) origin=ours ;;
	*'"installed": true'* | *'"installed":true'*) origin=theirs ;;
	*'"installed": false'* | *'"installed":false'*) origin=nothing ;;
	*)
		echo "$name: cannot find out what is installed in /opt/kata; see kata-deploy status" >&2
		return 1
		;;
	esac
}
# The pin waives the release's expiry and the channel: the package itself names the wanted release. No proof, because
# the package must be installable where no VM runs; then it is also installed where no container manager is found, or more
# than one, and says how to register it later. That nothing is registered is not remembered: the next version of the
# package tries again.
lay_down() { # [OPTION...]
	kata install --yes --no-proof --quiet "$@" --release "$root$release" --trust-dir "$root$keys" --pin "$pin"
	look
	case $found in
	*'"cri":'*) ;;
	*)
		echo "$name: no container can use this release until it is registered with a container manager, by"
		print_command upgrade
		;;
	esac
}
# Prints the command that installs this release, which may have expired and has no channel.
print_command() { # VERB
	echo "    $command $1 --release $release --trust-dir $keys --pin $pin"
}
leave() {
	echo "$name: /opt/kata was installed from elsewhere and stays as it is; for this release:"
	print_command upgrade
}
