#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Checks the commands that documents show, without running them: shown.sh BIN-DIRECTORY FILE.md...
#
# Commands are the lines of ```sh blocks, the lines of indented blocks, and what stands between backquotes. Of each
#
#	kata-*			the verb and the options are in the program's help
#	make			the targets exist, and the variables are read
#	helm			each --set names a value of the chart
#	kubectl, helm		a name that begins with kata-deploy is one of the chart's
#	ansible-playbook	each -e names an argument of the role
#
# and of each ```yaml block the names kata_* are arguments of the role, and those of katacontainers.kata.kata_deploy are of
# the module. run.sh runs commands as well, where a test can.
set -u
bin=$(realpath "$1")
shift
cd "$(dirname "$0")/../.." || exit
chart=packaging/helm/kata-deploy role=packaging/ansible/roles/kata/meta/argument_specs.yml
module=packaging/ansible/plugins/modules/kata_deploy.py
wrong=0 checked=0
declare -A helps

complain() { # TEXT
	echo "  FAIL  $file: $command: $1"
	wrong=1
}

help_of() { # PROGRAM VERB...: sets text to its help
	local key="$*"
	[ -n "${helps[$key]+x}" ] || helps[$key]=$("$bin/$1" "${@:2}" --help 2>&1)
	text=${helps[$key]}
}

# Prints the commands of a file, one a line, without comments.
commands_of() { # FILE
	awk '
		function emit(line) {
			sub(/^[ \t]*(\$ )?(sudo )?/, "", line)
			sub(/[ \t]+#.*$/, "", line)
			n = split(line, parts, / (\||&&|;) /)
			for (i = 1; i <= n; i++)
				print parts[i]
		}
		/^```/ { block = block ? "" : $1 "x"; next }
		block && block != "```shx" { next }
		block || /^    / {
			line = line $0
			if (sub(/\\$/, "", line))
				next
			emit(line)
			line = ""
			next
		}
		{
			n = split($0, spans, "`")
			for (k = 2; k < n; k += 2)
				emit(spans[k])
		}
	' "$1" | grep -E '^(kata-[a-z-]+|make|helm|kubectl|ansible-playbook) '
}

check_program() { # PROGRAM WORD...
	local program=$1 verb='' word
	local -a at=()
	[ -x "$bin/$program" ] || {
		[[ $program == kata-container* ]] || complain "there is no such program"
		return
	}
	shift
	# The verb, and one of a family.
	for word; do
		[[ $word =~ ^[a-z][a-z-]*$ ]] || break
		help_of "$program" "${at[@]}"
		grep -Eq "^ +($program )?(${at[*]:-} )?$word( |$)" <<<"$text" || break
		at+=("$word")
	done
	[ ${#at[@]} -gt 0 ] || [[ ${1:-} == -* ]] || [[ ${1:-} =~ ^[A-Z] ]] || [ $# = 0 ] || complain "it has no verb $1"
	[ ${#at[@]} = 0 ] || verb=${at[*]}
	for word; do
		[ "$word" != -- ] || break
		[[ $word =~ ^--[a-z] ]] || continue
		word=${word%%[=.,\)]*}
		help_of "$program" "${at[@]}"
		grep -Eq -- "(^|[ ,])$word([ ,=]|$)" <<<"$text" && continue
		help_of "$program"
		grep -Eq -- "(^|[ ,])$word([ ,=]|$)" <<<"$text" || complain "${verb:+$verb }has no option $word"
	done
}

check_make() { # WORD...
	local word name
	for word; do
		case $word in
		-*) ;;
		*=*)
			name=${word%%=*}
			[[ $name =~ ^[A-Z_]+$ ]] || continue
			grep -rqw "$name" Makefile mk packaging osbuilder kernel tests/*.sh --include=*.mk \
				--include=Makefile --include=*.sh || complain "nothing reads $name"
			;;
		*) [[ ! $word =~ ^[a-z][a-z-]*$ ]] || grep -rqE "^([a-z-]+ )*$word( [a-z-]+)*:([^=]|$)" Makefile mk packaging \
			osbuilder kernel tests runtime agent --include=*.mk --include=Makefile || complain "there is no target $word" ;;
		esac
	done
}

value_is_known() { # A.B.C: a path of values.yaml
	awk -v path="$1" '
		BEGIN { n = split(path, want, /[.[]/); depth = 1 }
		/^ *#/ || /^ *$/ { next }
		{
			match($0, /^ */)
			level = RLENGTH / 2 + 1
			name = $0
			sub(/^ */, "", name)
			sub(/^# ?/, "", name)
			if (level < depth)
				exit 1
			if (level == depth && index(name, want[depth] ":") == 1) {
				rest = substr(name, length(want[depth]) + 2)
				# An empty map or list takes any member.
				if (depth++ == n || rest ~ /[{[]/) {
					found = 1
					exit
				}
			}
		}
		END { exit !found }
	' $chart/values.yaml
}

check_helm() { # WORD...
	local word after=''
	for word; do
		if [[ $after =~ ^--set ]]; then
			value_is_known "${word%%=*}" || complain "values.yaml has no ${word%%=*}"
		fi
		after=$word
	done
	check_names "$@"
}

check_names() { # WORD...
	local word
	for word; do
		word=${word#*/}
		[[ $word =~ ^kata-deploy(-[a-z]+)*$ ]] || continue
		[ "$word" = kata-deploy ] || grep -rqE -- "(}}|\")${word#kata-deploy}( |\"|$)" $chart/templates || complain "the chart has no $word"
	done
}

is_role_argument() { grep -Eq "^      $1:" $role; }

check_ansible() { # WORD...
	local word after=''
	for word; do
		[ "$after" != -e ] || is_role_argument "${word%%=*}" || complain "the role has no argument ${word%%=*}"
		after=$word
	done
}

check_yaml() {
	local name
	command=yaml
	for name in $(awk '/^```yaml/ { on = 1; next } /^```/ { on = 0 } on && /kata_[a-z_]+:/ { gsub(/[^a-z_:]+/, " "); print }' "$file" |
		grep -oE '\bkata_[a-z_]+:' | tr -d : | sort -u); do
		[ "$name" != kata_deploy ] || continue
		is_role_argument "$name" || complain "the role has no argument $name"
	done
	for name in $(awk '/^```/ { on = 0 } on && /^    [a-z_]+:/ { print $1 } /^- katacontainers.kata.kata_deploy:/ { on = 1; next }
		/^[- ] ?[a-z]/ && !/^    / { on = 0 }' "$file" | tr -d :); do
		grep -Eq "^  $name:" $module || complain "the module has no option $name"
	done
}

for file; do
	while read -r command; do
		# The words of the command, as a shell would split them; quotes and expansions do not matter here.
		read -ra words <<<"${command//[\'\"]/}"
		checked=$((checked + 1))
		case ${words[0]} in
		make) check_make "${words[@]:1}" ;;
		helm) check_helm "${words[@]:1}" ;;
		kubectl) check_names "${words[@]:1}" ;;
		ansible-playbook) check_ansible "${words[@]:1}" ;;
		*) check_program "${words[@]}" ;;
		esac
	done < <(commands_of "$file")
	check_yaml
done
[ $wrong = 0 ] && [ $checked -gt 0 ] && echo "  ok    $checked commands are valid command lines"
exit $wrong
