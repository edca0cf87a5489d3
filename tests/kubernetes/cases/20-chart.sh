# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Tests the chart without installing it: what Helm and the API server make of it, and that its pods have only the
# documented rights.

CHART=packaging/helm/kata-deploy
NAMESPACE=kube-system

# Prints the chart's objects as the API server would store them, with its defaults, as one list. OPTION... are Helm's.
chart_objects() {
	helm4 template lab "$CHART" --namespace "$NAMESPACE" --kube-version 1.20.2 --skip-tests "$@" | kubectl apply --dry-run=server -o json -f -
}

test_chart_is_the_same_for_both_helms() {
	local helm
	for helm in helm3 helm4; do
		has "lint of $helm" "$("$helm" lint --strict "$CHART" 2>&1)" "0 chart(s) failed"
		"$helm" template lab "$CHART" >"$LAB/$helm.yaml"
	done
	cmp "$LAB/helm3.yaml" "$LAB/helm4.yaml"
}

# The same files give the same bytes, wherever and whenever they are packed, and both Helms read them.
test_chart_packs_the_same_twice() {
	local helm
	mkdir -p "$LAB/packed/copy"
	cp -r "$CHART" "$LAB/packed/copy/"
	chmod -R go-rwx "$LAB/packed/copy"
	find "$LAB/packed/copy" -exec touch -d 2001-01-01 {} +
	packaging/chart.sh "$CHART" 3.10.0 "$LAB/packed/one.tgz" >/dev/null
	(umask 077 && packaging/chart.sh "$LAB/packed/copy/kata-deploy" 3.10.0 "$LAB/packed/two.tgz" >/dev/null)
	cmp "$LAB/packed/one.tgz" "$LAB/packed/two.tgz"
	for helm in helm3 helm4; do
		expect "version and image's tag for $helm" "$("$helm" show chart "$LAB/packed/one.tgz" | sed -n 's/^\(app\)\?[vV]ersion: //p' |
			tr -d '"' | paste -sd ' ')" "3.10.0 3.10.0"
		has "the image for $helm" "$("$helm" template lab "$LAB/packed/one.tgz")" 'image: "kata-deploy:3.10.0"'
		has "lint of $helm" "$("$helm" lint --strict "$LAB/packed/one.tgz" 2>&1)" "0 chart(s) failed"
	done
	fails_saying "a version that Helm refuses" 1 'not 3.10; set VERSION' packaging/chart.sh "$CHART" 3.10 "$LAB/packed/bad.tgz"
	fails_saying "a version that no release has" 1 'not 3.10.0+b1; set VERSION' packaging/chart.sh "$CHART" 3.10.0+b1 "$LAB/packed/bad.tgz"
	[ ! -e "$LAB/packed/bad.tgz" ]
}

# The objects as plain YAML: the API server takes all of them, and none says that it is Helm's.
test_manifests_are_for_clusters_without_helm() {
	local helm objects
	packaging/chart.sh "$CHART" 3.10.0 "$LAB/plain.tgz" >/dev/null
	for helm in helm3 helm4; do
		packaging/manifests.sh "$CLUSTER_PROGRAMS/$helm" "$LAB/plain.tgz" "$LAB/plain.yaml" --kube-version 1.20.2 >/dev/null
		objects=$(kubectl apply --dry-run=server -o json -f "$LAB/plain.yaml")
		expect "objects" "$(jq -r '.items[].kind' <<<"$objects" | sort | uniq -c | awk '{ print $2 "=" $1 }' | paste -sd ' ')" \
			"ClusterRole=1 ClusterRoleBinding=1 DaemonSet=1 Role=2 RoleBinding=2 RuntimeClass=2 ServiceAccount=1"
		expect "namespaces" "$(jq -r '[.items[].metadata.namespace // empty] | unique | join(" ")' <<<"$objects")" kube-system
		expect "hooks and labels of Helm" "$(jq -c '[.items[].metadata | (.annotations // {}, .labels // {}) | to_entries[] |
			select((.key | test("helm")) or .value == "Helm") | .key] | unique' <<<"$objects")" '[]'
	done
	fails_saying "a machine without Helm" 1 'no-helm was not found; name the program with HELM=' \
		packaging/manifests.sh no-helm "$LAB/plain.tgz" "$LAB/none.yaml"
	[ ! -e "$LAB/none.yaml" ]
}

# The default AppArmor profile would hide the node's processes from the container "node".
test_chart_says_its_profile_as_the_cluster_knows_it() {
	local version
	for version in 1.20.2 1.29.9; do
		has "before 1.30" "$(helm4 template lab "$CHART" --kube-version "$version")" \
			"container.apparmor.security.beta.kubernetes.io/node: unconfined"
	done
	has "since 1.30" "$(helm4 template lab "$CHART" --kube-version 1.30.0)" "appArmorProfile: { type: Unconfined }"
	expect "both" "$(helm4 template lab "$CHART" --kube-version 1.30.0 | grep -c apparmor.security)" 0
}

# container_t could write nothing on the node, and files with the level of a container are closed to the VMs of others.
# Both containers have the same, because they share a socket.
test_chart_names_the_type_of_selinux() {
	local helm
	for helm in helm3 helm4; do
		expect "the pod's options for $helm" "$("$helm" template lab "$CHART" --show-only templates/daemonset.yaml | sed -n '/^    spec:/,/containers:/p' |
			grep -A3 securityContext: | tr -d ' ' | paste -sd ' ')" "securityContext: seLinuxOptions: level:s0 type:spc_t"
		expect "none for $helm" "$("$helm" template lab "$CHART" --set seLinuxOptions=null --show-only templates/daemonset.yaml | grep -c seLinuxOptions)" 0
	done
}

# The default tolerates all taints, those of nodes on which no DaemonSet runs too.
test_chart_leaves_out_nodes_that_are_no_machines() {
	local affinity
	affinity=$(chart_objects | jq -c '.items[] | select(.kind == "DaemonSet") | .spec.template.spec.affinity.nodeAffinity |
		.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms | map(.matchExpressions | map([.key, .operator, .values[]]))')
	expect "terms" "$affinity" '[[["eks.amazonaws.com/compute-type","NotIn","fargate"],["type","NotIn","virtual-kubelet"]]]'
	expect "another selection" "$(helm4 template lab "$CHART" --set affinity.nodeAffinity=null --show-only templates/daemonset.yaml |
		grep -c fargate)" 0
}

# GKE refuses pods of a class of the system in a namespace without a ResourceQuota for it.
test_chart_makes_a_quota_where_one_is_needed() {
	local helm gke=1.31.4-gke.1183000 made
	for helm in helm3 helm4; do
		made=$("$helm" template lab "$CHART" --namespace kata --kube-version "$gke" --show-only templates/quota.yaml)
		has "the class for $helm" "$made" 'values: \["system-node-critical"\]'
		expect "in kube-system" "$("$helm" template lab "$CHART" --namespace kube-system --kube-version "$gke" | grep -c ResourceQuota)" 0
		expect "without a class" "$("$helm" template lab "$CHART" --namespace kata --kube-version "$gke" --set priorityClassName= | grep -c ResourceQuota)" 0
		expect "elsewhere" "$("$helm" template lab "$CHART" --namespace kata --kube-version 1.31.4-eks-2d5f260 | grep -c ResourceQuota)" 0
	done
}

# A ResourceQuota of the namespace may demand limits of every pod.
test_chart_gives_every_pod_resources() {
	local objects
	objects=$(helm4 template lab "$CHART" --kube-version 1.20.2 --set resources.report.limits.cpu=1 | kubectl apply --dry-run=client -o json -f -)
	expect "pods without" "$(jq '[.items[] | (select(.kind == "Job") | .spec.template.spec), (select(.kind == "Pod") | .spec) | .containers[] |
		select((.resources.limits.cpu | tostring) != "1")] | length' <<<"$objects")" 0
}

test_chart_refuses_what_has_no_meaning() {
	local helm wrong
	for helm in helm3 helm4; do
		for wrong in image.name=x k8sDistribution=k9s shims.clh.enabled=true pace.restarts=0% pace.restarts=101% \
			pace.failures=0 env.multiInstallSuffix=A_b env.installationPrefix=opt/kata drift=ignore \
			healthPort=0 defaultShim=fc startupTaints[0]=a:Never image.digest=sha256:12 typo=1 \
			containerd.configDir=/etc/../x uninstall.tolerations=all overhead.memory=lots env.installationPrefix=/kata \
			pace.restarts=10001 env.multiInstallSuffix=default env.multiInstallSuffix=kata-runtime env.multiInstallSuffix=qemu; do
			fails_saying "$helm with $wrong" 1 'schema' "$helm" template lab "$CHART" --set "$wrong"
		done
		fails_saying "$helm with a label of the selector" 1 'podLabels has app.kubernetes.io/instance' \
			"$helm" template lab "$CHART" --set 'podLabels.app\.kubernetes\.io/instance=x'
	done
}

# A value that is set to null, or that the values of an older chart do not have (helm upgrade --reuse-values), is missing.
test_chart_says_what_is_missing() {
	local helm value
	for helm in helm3 helm4; do
		for value in containerd createRuntimeClasses createDefaultRuntimeClass overhead env.installationPrefix updateStrategy \
			updateStrategy.rollingUpdate admissionPolicy uninstall uninstall.timeout serviceAccount resources; do
			fails_saying "$helm without $value" 1 "${value##*.} is required\|missing property '${value##*.}'" "$helm" template lab "$CHART" --set "$value=null"
		done
	done
}

# With another suffix or prefix Helm would delete the objects of the installation, which the nodes would keep.
test_chart_keeps_an_installation() {
	local helm nobody=nodeSelector.nobody=yes wrong
	for helm in helm3 helm4; do
		"$helm" install kept "$CHART" --namespace "$NAMESPACE" --set-string "$nobody" >/dev/null
		"$helm" install other "$CHART" --namespace "$NAMESPACE" --set-string "$nobody" \
			--set env.multiInstallSuffix=b >/dev/null
		for wrong in env.multiInstallSuffix=b env.installationPrefix=/srv/kata; do
			fails_saying "$helm upgrade with $wrong" 1 'has installed /opt/kata as DaemonSet kept-kata-deploy,.*helm uninstall kept' \
				"$helm" upgrade kept "$CHART" --namespace "$NAMESPACE" --set-string "$nobody" --set "$wrong"
		done
		fails_saying "$helm upgrade without the suffix" 1 'has installed /opt/kata-b as DaemonSet other-kata-deploy-b,' \
			"$helm" upgrade other "$CHART" --namespace "$NAMESPACE" --set-string "$nobody"
		"$helm" upgrade kept "$CHART" --namespace "$NAMESPACE" --set-string "$nobody" --set debug=true >/dev/null
		expect "DaemonSets" "$(kubectl -n "$NAMESPACE" get daemonsets -o name | sort | paste -sd ' ')" \
			"daemonset.apps/kept-kata-deploy daemonset.apps/other-kata-deploy-b"
		"$helm" uninstall kept --namespace "$NAMESPACE" --no-hooks >/dev/null
		"$helm" uninstall other --namespace "$NAMESPACE" --no-hooks >/dev/null
	done
}

test_chart_takes_what_it_says() {
	local objects value
	objects=$(chart_objects --set env.multiInstallSuffix=next,k8sDistribution=k3s,debug=true \
		--set nodeSelector.role=work --set 'startupTaints[0]=kata.example/wait:NoSchedule' \
		--set image.reference=registry.example/kata --set image.digest="sha256:$(printf %064d 7)")
	expect "runtime classes" "$(jq -r '.items[] | select(.kind == "RuntimeClass") | .metadata.name' <<<"$objects" | sort | paste -sd ' ')" \
		"kata-next kata-qemu-next"
	value=$(jq -r '.items[] | select(.kind == "DaemonSet") | .spec.template.spec' <<<"$objects")
	expect "node selector" "$(jq -r .nodeSelector.role <<<"$value")" work
	expect "image" "$(jq -r '[.containers[].image] | unique[]' <<<"$value")" "registry.example/kata@sha256:$(printf %064d 7)"
	has "arguments" "$(jq -r '.containers[].args[]' <<<"$value")" "^--prefix=/opt/kata-next$"
	has "whose nodes the pace counts" "$(jq -r '.containers[].args[]' <<<"$value")" "^--daemonset=lab-kata-deploy-next$"
	expect "containers that log more" "$(jq -r '[.containers[] | select(.args | index("--verbose")) | .name] | sort | join(" ")' <<<"$value")" \
		"node report"
	expect "classes" "$(chart_objects --set createRuntimeClasses=false | jq '[.items[] | select(.kind == "RuntimeClass")] | length')" 0
	expect "classes without a default" "$(chart_objects --set createDefaultRuntimeClass=false |
		jq -r '.items[] | select(.kind == "RuntimeClass") | .metadata.name')" kata-qemu
}

# What Helm prints after an installation is for that installation, and leaves an uninstallation the time that it has.
test_chart_notes_are_of_the_installation() {
	local helm notes
	for helm in helm3 helm4; do
		notes=$("$helm" install noted "$CHART" --namespace "$NAMESPACE" --dry-run=client --set env.multiInstallSuffix=b,uninstall.timeout=1000)
		has "the condition" "$notes" '@.type=="KataReady-b"'
		has "the label" "$notes" ' -L kata-deploy.katacontainers.io/b$'
		has "the time" "$notes" "helm uninstall noted --namespace $NAMESPACE --timeout 1300s"
	done
}

# An installation beside another one must not register its handlers, so it needs some of its own.
test_chart_needs_a_handler() {
	local helm none=shims.qemu.enabled=false,createDefaultRuntimeClass=false
	for helm in helm3 helm4; do
		fails_saying "$helm without a handler" 1 'no runtime is enabled' "$helm" template lab "$CHART" --set "$none,env.multiInstallSuffix=b"
		expect "RuntimeClasses" "$("$helm" template lab "$CHART" --set "$none" | grep -c '^kind: RuntimeClass')" 0
	done
}

# Helm reads numbers of a file as floating-point ones.
test_chart_writes_large_numbers_in_full() {
	local args
	printf '%s\n' 'uninstall: { timeout: 2000000 }' 'pace: { failures: 1000000 }' >"$LAB/numbers.yaml"
	args=$(chart_objects -f "$LAB/numbers.yaml" | jq -r '.items[] | select(.kind | test("Job|DaemonSet")) | .spec.template.spec.containers[].args[]')
	has "seconds" "$args" '^--timeout=2000000$'
	has "nodes" "$args" '^--failures=1000000$'
}

# The file of the configuration, if its directory is another one, has the name that it has in the distribution.
test_chart_knows_the_file_of_each_distribution() {
	local pair args
	for pair in k8s:config.toml k3s:config.toml rke2:config.toml k0s:containerd.toml microk8s:containerd-template.toml; do
		args=$(chart_objects --set "k8sDistribution=${pair%:*},containerd.configDir=/srv/there" |
			jq -r '.items[] | select(.kind == "DaemonSet") | .spec.template.spec.containers[].args[]')
		has "file of ${pair%:*}" "$args" "^--cri-config=/srv/there/${pair#*:}\$"
	done
	args=$(chart_objects --set k8sDistribution=k0s,containerd.configFileName=own.toml |
		jq -r '.items[] | select(.kind == "DaemonSet") | .spec.template.spec.containers[].args[]')
	has "a file of another name" "$args" '^--cri-config=/etc/k0s/own.toml$'
}

# A snap's link "current" leads to another revision after a refresh, so it is not resolved when the pod is started.
test_chart_mounts_no_revision_of_a_snap() {
	local of paths
	for of in k8sDistribution=microk8s k8sDistribution=microk8s,containerd.configDir=/var/snap/microk8s/current/args; do
		paths=$(chart_objects --set "$of" | jq -c '.items[] | select(.kind == "DaemonSet") | .spec.template.spec |
			[.containers[] | select(.name == "node") | .volumeMounts[] | select(.mountPath | test("snap"))] as $mounts |
			[.volumes[] | select(.hostPath.path // "" | test("snap"))] as $volumes | [$volumes[].hostPath.path] + [$mounts[].mountPath]')
		expect "with $of" "$paths" '["/var/snap/microk8s","/host/var/snap/microk8s"]'
	done
}

# What uninstalls needs one node: of the same platform, whether or not it is selected, and whatever taints the
# administrator has named. Those of nodes that are down are not tolerated, nor are all taints. The pods of helm test need
# one node too.
test_chart_runs_on_a_tainted_cluster() {
	local pod own selected='{"kubernetes.io/arch":"amd64","kubernetes.io/os":"linux"}'
	chart_uninstalls() {
		chart_objects "$@" | jq -cS '.items[] | select(.kind == "Job") | .spec.template.spec | {nodeSelector, tolerations}'
	}
	pod=$(chart_uninstalls --set nodeSelector.role=work)
	expect "selector" "$(jq -c .nodeSelector <<<"$pod")" "$selected"
	own=$(jq -c .tolerations <<<"$pod")
	expect "all taints" "$(jq '[.[] | select(has("key") | not)] | length' <<<"$own")" 0
	expect "control planes" "$(jq -r '[.[].key | select(test("control-plane|Critical"))] | sort | join(" ")' <<<"$own")" \
		"CriticalAddonsOnly node-role.kubernetes.io/control-plane"
	cat >"$LAB/tainted.yaml" <<-EOF
		tolerations:
		  - { key: dedicated, operator: Equal, value: kata, effect: NoExecute }
		  - { key: node.kubernetes.io/unreachable, operator: Exists }
		  - { operator: Exists, effect: NoSchedule }
		uninstall:
		  tolerations: [{ key: other, operator: Exists }]
	EOF
	pod=$(chart_uninstalls -f "$LAB/tainted.yaml")
	expect "its own and the named ones" "$(jq -cS --argjson own "$own" '.tolerations - $own' <<<"$pod")" \
		'[{"effect":"NoExecute","key":"dedicated","operator":"Equal","value":"kata"},{"key":"other","operator":"Exists"}]'
	expect "none is lost" "$(jq --argjson own "$own" '$own - .tolerations | length' <<<"$pod")" 0
	expect "of helm test" "$(helm4 template lab "$CHART" --kube-version 1.20.2 -f "$LAB/tainted.yaml" | kubectl apply --dry-run=client -o json -f - |
		jq -cS '[.items[] | select(.kind == "Pod") | .spec.tolerations] | unique')" "[$(jq -c .tolerations <<<"$pod")]"
}

# A namespace may have a name that YAML takes for a number.
test_chart_takes_a_namespace_of_digits() {
	local helm
	for helm in helm3 helm4; do
		expect "namespaces for $helm" "$("$helm" template lab "$CHART" --namespace 2024 | sed -n '/^#/!s/^.*namespace: \([^ ]*\).*$/\1/p' |
			sort -u | paste -sd ' ')" '"2024" kube-system'
	done
}

# The API server accepts all names, also as labels, for a long name of the release.
test_chart_takes_long_names() {
	local objects
	objects=$(helm4 template "$(printf 'a%.0s' {1..53})" "$CHART" --namespace "$NAMESPACE" --kube-version 1.20.2 --skip-tests \
		--set env.multiInstallSuffix="$(printf 'b%.0s' {1..20})" | kubectl apply --dry-run=server -o json -f -)
	expect "what uninstalls" "$(jq '[.items[] | select(.kind == "Job")] | length' <<<"$objects")" 1
	expect "the account that it has" "$(jq -r '[.items[] | select(.kind == "ServiceAccount") | .metadata.name] |
		index($n) != null' --arg n "$(jq -r '.items[] | select(.kind == "Job") | .spec.template.spec.serviceAccountName' <<<"$objects")" <<<"$objects")" true
}

# With any values: the container with paths of the node has no token, the one with the token has no path of the node, and
# none is privileged.
test_chart_divides_the_powers() {
	local spec node report values
	for values in debug=true k8sDistribution=k3s k8sDistribution=rke2 k8sDistribution=k0s k8sDistribution=microk8s \
		env.multiInstallSuffix=b; do
		spec=$(chart_objects --set "$values" | jq -c '.items[] | select(.kind == "DaemonSet") | .spec.template.spec')
		expect "namespaces of the node" "$(jq '[.hostPID, .hostNetwork, .hostIPC] | map(select(.)) | length' <<<"$spec")" 0
		expect "automatic token" "$(jq .automountServiceAccountToken <<<"$spec")" false
		expect "containers" "$(jq -r '[.containers, .initContainers // []] | add | map(.name) | sort | join(" ")' <<<"$spec")" "node report"
		node=$(jq -c '.containers[] | select(.name == "node")' <<<"$spec")
		report=$(jq -c '.containers[] | select(.name == "report")' <<<"$spec")
		for one in "$node" "$report"; do
			expect "privileged" "$(jq '.securityContext.privileged // false' <<<"$one")" false
			expect "root file system" "$(jq .securityContext.readOnlyRootFilesystem <<<"$one")" true
			expect "dropped" "$(jq -c .securityContext.capabilities.drop <<<"$one")" '["ALL"]'
		done
		expect "report's capabilities" "$(jq -c '.securityContext.capabilities.add // []' <<<"$report")" '[]'
		expect "report's user" "$(jq '.securityContext | .runAsNonRoot and .runAsUser > 0 and .allowPrivilegeEscalation == false' <<<"$report")" true
		expect "report's seccomp" "$(jq -r .securityContext.seccompProfile.type <<<"$report")" RuntimeDefault
		expect "the token's volume" "$(jq -r --argjson c "$node" '[.volumes[] | select(.projected) | .name] as $tokens |
			[$c.volumeMounts[] | select(.name as $n | $tokens | index($n))] | length' <<<"$spec")" 0
		expect "report's paths of the node" "$(jq -r --argjson c "$report" '[.volumes[] | select(.hostPath) | .name] as $paths |
			[$c.volumeMounts[] | select(.name as $n | $paths | index($n))] | length' <<<"$spec")" 0
		expect "the node's whole root" "$(jq '[.volumes[] | select(.hostPath.path | . == "/" or . == "/etc" or . == "/var" or . == "/root" or . == "/home" or . == "/dev")] | length' <<<"$spec")" 0
		expect "what both have" "$(jq -rn --argjson a "$node" --argjson b "$report" '[$a.volumeMounts[].name] - ([$a.volumeMounts[].name] - [$b.volumeMounts[].name]) | join(" ")')" socket
	done
}

# Where the API server has admission policies, a token can change only the node of its pod and the Leases of its
# installation. This cluster has none, so only the documents are checked.
test_chart_limits_a_token_to_its_node() {
	local api=admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy helm made
	for helm in helm3 helm4; do
		expect "objects without the API" "$("$helm" template lab "$CHART" | grep -c '^kind: ValidatingAdmission')" 0
		expect "objects without the value" "$("$helm" template lab "$CHART" --api-versions "$api" --set admissionPolicy=false |
			grep -c '^kind: ValidatingAdmission')" 0
		made=$("$helm" template lab "$CHART" --namespace "$NAMESPACE" --api-versions "$api" --show-only templates/admission.yaml)
		expect "kinds" "$(sed -n 's/^kind: //p' <<<"$made" | sort | uniq -c | awk '{ print $2 "=" $1 }' | paste -sd ' ')" \
			"ValidatingAdmissionPolicy=2 ValidatingAdmissionPolicyBinding=2"
		has "the account" "$made" "username == 'system:serviceaccount:$NAMESPACE:$DAEMONSET'\$"
		has "its objects" "$made" 'operations: \[UPDATE\], resources: \[nodes, nodes/status\]'
		has "the node" "$made" 'expression: variables.node == object.metadata.name'
		has "a failure of the policy" "$made" '^  failurePolicy: Fail$'
		has "the binding" "$made" "^  policyName: $DAEMONSET\$"
		has "every change of Leases" "$made" 'operations: \[CREATE, UPDATE, DELETE\], resources: \[leases\]'
		has "its Leases" "$made" "expression: request.name.startsWith('kata-deploy.default.turn-') || request.name.startsWith('kata-deploy.default.failed.')\$"
		has "those of a second installation" "$("$helm" template lab "$CHART" --api-versions "$api" --set env.multiInstallSuffix=b \
			--show-only templates/admission.yaml)" "startsWith('kata-deploy.b.turn-')"
		has "the binding of that" "$made" "^  policyName: $DAEMONSET-leases\$"
	done
}

# The rights of an attacker who has the token.
test_chart_rights_are_narrow() {
	local rules
	rules=$(chart_objects | jq -c '[.items[] | select(.kind == "ClusterRole" or .kind == "Role") | .rules[]]')
	expect "everything" "$(jq '[.[] | select((.verbs + .resources + .apiGroups) | index("*"))] | length' <<<"$rules")" 0
	expect "secrets and rights" "$(jq -r '[.[].resources[]] | unique | map(select(test("secrets|pods/|roles|bindings|serviceaccounts|configmaps"))) | join(" ")' <<<"$rules")" ""
	expect "pods: only what uninstalls sees those of the namespace" "$(chart_objects | jq -c '[.items[] | select(.kind | test("Role$")) | .kind as $kind |
		.metadata.name as $name | .rules[] | select(.resources | index("pods")) | [$kind, $name] + .verbs]')" '[["Role","lab-kata-deploy-withdraw","list"]]'
	expect "nodes: only what uninstalls sees all of them" "$(jq -cS '[.[] | select(.resources | index("nodes")) | .verbs] | sort' <<<"$rules")" \
		'[["get","patch"],["list","watch"]]'
	expect "leases of report, which watches for the request to uninstall" "$(jq -r '[.[] | select(.resources | index("leases")) |
		select(.verbs | index("patch")) | .verbs[]] | sort | join(" ")' <<<"$rules")" "create delete get list patch watch"
	expect "of one object" "$(jq '[.[] | select(.resources | index("daemonsets")) | select(.resourceNames | length != 1)] | length' <<<"$rules")" 0
}
