{{- /* The name of the chart's objects: the release's name, followed by the suffix if there is one. */}}
{{- define "kata.name" -}}
{{- $name := .Release.Name | trunc 30 | trimSuffix "-" -}}
{{- if not (contains "kata-deploy" $name) }}{{ $name = printf "%s-kata-deploy" $name }}{{ end -}}
{{- with .Values.env.multiInstallSuffix }}{{ printf "%s-%s" $name . }}{{ else }}{{ $name }}{{ end -}}
{{- end }}

{{- /* The name of the Job that uninstalls. It is also a label of its pods, so it has at most 63 characters. */}}
{{- define "kata.withdraw.name" -}}
{{- $name := include "kata.name" . -}}
{{- if gt (len $name) 54 }}{{ $name = printf "%s-%s" (trunc 45 $name | trimSuffix "-") (sha256sum $name | trunc 8) }}{{ end -}}
{{ $name }}-withdraw
{{- end }}

{{- define "kata.selector" -}}
app.kubernetes.io/name: kata-deploy
app.kubernetes.io/instance: {{ include "kata.name" . }}
{{- end }}

{{/* A label of the selector given again would be twice in the pods, and the API server would refuse the DaemonSet. */}}
{{- define "kata.check.podLabels" -}}
{{- range $label, $_ := include "kata.selector" . | fromYaml }}
{{- if hasKey ($.Values.podLabels | default dict) $label }}
{{- fail (printf "podLabels has %s, by which the DaemonSet selects its pods; leave it out" $label) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "kata.labels" -}}
{{ include "kata.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "kata.image" -}}
{{- with .Values.image -}}
{{ .reference }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{- define "kata.prefix" -}}
{{ .Values.env.installationPrefix }}{{ with .Values.env.multiInstallSuffix }}-{{ . }}{{ end }}
{{- end }}

{{- /*
Fails if this release has installed under another name or prefix: Helm would delete the old objects, while the nodes
kept the old installation, which nobody would be asked to uninstall. Finds nothing without a cluster (helm template).
*/}}
{{- define "kata.check.upgrade" -}}
{{- if .Release.IsUpgrade }}
{{- range (lookup "apps/v1" "DaemonSet" .Release.Namespace "").items }}
{{- $of := .metadata.annotations | default dict }}
{{- if and (eq (get $of "meta.helm.sh/release-name") $.Release.Name) (eq (get (.metadata.labels | default dict) "app.kubernetes.io/name") "kata-deploy") }}
{{- $prefix := "" }}
{{- range .spec.template.spec.containers }}
{{- range .args }}{{ if hasPrefix "--prefix=" . }}{{ $prefix = trimPrefix "--prefix=" . }}{{ end }}{{ end }}
{{- end }}
{{- if or (ne .metadata.name (include "kata.name" $)) (ne $prefix (include "kata.prefix" $)) }}
{{- fail (printf "this release has installed %s as DaemonSet %s, and an upgrade would leave that on the nodes for ever: set env.multiInstallSuffix and env.installationPrefix to what they were, or run helm uninstall %s first, or install another release beside this one" $prefix .metadata.name $.Release.Name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* A handler, kata-SHIM or kata, with the suffix of a second installation. */}}
{{- define "kata.handler" -}}
{{ .handler }}{{ with .suffix }}-{{ . }}{{ end }}
{{- end }}

{{- /* All handlers as a JSON array: those of the shims, and the default. */}}
{{- define "kata.handlers" -}}
{{- $suffix := .Values.env.multiInstallSuffix -}}
{{- $all := list -}}
{{- range $shim, $of := .Values.shims -}}
{{- if $of.enabled }}{{ $all = append $all (include "kata.handler" (dict "handler" (printf "kata-%s" $shim) "suffix" $suffix)) }}{{ end -}}
{{- end -}}
{{- if .Values.createDefaultRuntimeClass }}{{ $all = append $all (include "kata.handler" (dict "handler" "kata" "suffix" $suffix)) }}{{ end -}}
{{ $all | toJson }}
{{- end }}

{{- /* The directory of the configuration, and below it its file and the socket, of each distribution. */}}
{{- define "kata.configDir" -}}
{{- with .Values.containerd.configDir }}{{ . }}{{ else -}}
{{- get (dict "k8s" "/etc/containerd" "k3s" "/var/lib/rancher/k3s/agent/etc/containerd" "rke2" "/var/lib/rancher/rke2/agent/etc/containerd" "k0s" "/etc/k0s" "microk8s" "/var/snap/microk8s/current/args") .Values.k8sDistribution -}}
{{- end -}}
{{- end }}

{{- define "kata.configFile" -}}
{{- include "kata.configDir" . -}}/
{{- with .Values.containerd.configFileName }}{{ . }}{{ else -}}
{{- get (dict "k8s" "config.toml" "k3s" "config.toml" "rke2" "config.toml" "k0s" "containerd.toml" "microk8s" "containerd-template.toml") .Values.k8sDistribution -}}
{{- end -}}
{{- end }}

{{- define "kata.socket" -}}
{{- with .Values.containerd.runtimeSocket }}{{ . }}{{ else -}}
{{- get (dict "k8s" "/run/containerd/containerd.sock" "k3s" "/run/k3s/containerd/containerd.sock" "rke2" "/run/k3s/containerd/containerd.sock" "k0s" "/run/k0s/containerd.sock" "microk8s" "/var/snap/microk8s/common/run/containerd.sock") .Values.k8sDistribution -}}
{{- end -}}
{{- end }}

{{- define "kata.manager" -}}
{{- if eq .Values.k8sDistribution "k8s" }}containerd{{ else }}{{ .Values.k8sDistribution }}{{ end -}}
{{- end }}

{{- /* The security context of programs that have no path of the node. */}}
{{- define "kata.security.report" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: { drop: [ALL] }
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- /* The volume with the token for the API server, which only some containers mount. */}}
{{- define "kata.token" -}}
- name: token
  projected:
    defaultMode: 0444
    sources:
      - serviceAccountToken: { path: token, expirationSeconds: 3607 }
      - configMap: { name: kube-root-ca.crt, items: [{ key: ca.crt, path: ca.crt }] }
      - downwardAPI: { items: [{ path: namespace, fieldRef: { fieldPath: metadata.namespace } }] }
{{- end }}

{{- /*
The node's paths, one per line: NAME PATH TYPE, and "read" for a read-only mount. In the container they are below
/host, which the program makes its root directory. docs/design/node.md explains the purpose of each. Of a snap the
directory with the link "current" is mounted: a refresh of the snap changes the link, and a mount of what it led to would
keep the old revision.
*/}}
{{- define "kata.node.paths" -}}
{{- $prefix := include "kata.prefix" . -}}
{{- $config := include "kata.configDir" . -}}
{{- if hasPrefix "/var/snap/" $config }}{{ $config = splitList "/current/" $config | first }}{{ end -}}
{{- $socket := include "kata.socket" . -}}
prefix {{ dir $prefix }} DirectoryOrCreate
config {{ $config }} DirectoryOrCreate
{{- if not (or (hasPrefix "/run/" $socket) (hasPrefix (printf "%s/" $config) $socket)) }}
manager {{ dir $socket }} DirectoryOrCreate
{{- end }}
run /run Directory
memory /var/lib/kata-deploy DirectoryOrCreate
{{- if .Values.nodeKeys }}
keys /etc/kata-deploy DirectoryOrCreate read
{{- end }}
processes /proc Directory read
null /dev/null CharDevice
usr /usr Directory read
units /etc/systemd/system DirectoryOrCreate read
{{- end }}

{{- /* The platform that the release is for. */}}
{{- define "kata.platform" -}}
kubernetes.io/arch: amd64
kubernetes.io/os: linux
{{- end }}

{{- /* The platform, and the administrator's selection. */}}
{{- define "kata.nodeSelector" -}}
{{- merge (include "kata.platform" . | fromYaml) .Values.nodeSelector | toYaml -}}
{{- end }}

{{- define "kata.node.volumes" -}}
{{- range include "kata.node.paths" . | splitList "\n" }}
{{- $of := splitList " " . }}
- name: node-{{ index $of 0 }}
  hostPath: { path: {{ index $of 1 }}, type: {{ index $of 2 }} }
{{- end }}
{{- end }}

{{- define "kata.node.mounts" -}}
{{- range include "kata.node.paths" . | splitList "\n" }}
{{- $of := splitList " " . }}
- { name: node-{{ index $of 0 }}, mountPath: /host{{ index $of 1 }}{{ if gt (len $of) 3 }}, readOnly: true{{ end }} }
{{- end }}
{{- end }}

{{- /*
Options of the install on the node: where to register the handlers, and how to restart the container manager. A
downgrade is allowed because the administrator who chooses an older image wants it: helm rollback.
*/}}
{{- define "kata.node.install" -}}
- --allow-downgrade
- --cri={{ include "kata.manager" . }}
{{- with .Values.containerd }}
{{- if or .configDir .configFileName }}
- --cri-config={{ include "kata.configFile" $ }}
{{- end }}
{{- with .runtimeSocket }}
- --cri-socket={{ . }}
{{- end }}
{{- with .restartCommand }}
- --restart-with={{ . }}
{{- end }}
{{- end }}
{{- if .Values.env.multiInstallSuffix }}
{{- $handlers := include "kata.handlers" . | fromJsonArray }}
{{- if not $handlers }}
{{- fail "no runtime is enabled: a second installation needs a handler of its own, so set shims.qemu.enabled or createDefaultRuntimeClass" }}
{{- end }}
- --no-default-handlers
{{- range $handlers }}
- --handler={{ . }}={{ include "kata.prefix" $ }}/etc/configuration.toml
{{- end }}
{{- end }}
{{- end }}

{{- /* Annotations of the objects of the uninstallation; the argument is their weight. */}}
{{- define "kata.withdraw.hook" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- /*
Tolerations of the pods that need one node, the Job that uninstalls and those of helm test: for nodes that run what every
cluster needs, those of the DaemonSet, and the administrator's. A pod would never start on a node that is down or has
trouble, so those of the DaemonSet that tolerate all taints, or those that Kubernetes gives such nodes, are left out.
*/}}
{{- define "kata.tolerations" -}}
- { key: node.kubernetes.io/unschedulable, operator: Exists, effect: NoSchedule }
- { key: node-role.kubernetes.io/master, operator: Exists }
- { key: node-role.kubernetes.io/control-plane, operator: Exists }
- { key: CriticalAddonsOnly, operator: Exists }
{{- range .Values.tolerations }}
{{- if and .key (not (hasPrefix "node.kubernetes.io/" .key)) }}
- {{ toJson . }}
{{- end }}
{{- end }}
{{- range .Values.uninstall.tolerations }}
- {{ toJson . }}
{{- end }}
{{- end }}
