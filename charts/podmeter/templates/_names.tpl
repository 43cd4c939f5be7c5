{{/* Names, labels and images that several objects must agree on. */}}

{{- define "podmeter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Short enough for the longest ending that follows it within 63 characters. */}}
{{- define "podmeter.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "podmeter.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "podmeter.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "podmeter.injector.name" -}}
{{ include "podmeter.fullname" . }}-injector
{{- end }}

{{/* Of an object without a namespace: two releases may live side by side. */}}
{{- define "podmeter.injector.clusterName" -}}
{{ printf "%s-%s" (include "podmeter.injector.name" .) .Release.Namespace | trimSuffix "-" }}
{{- end }}

{{- define "podmeter.prometheus.name" -}}
{{ include "podmeter.fullname" . }}-prometheus
{{- end }}

{{/* What an object is selected by: may never change for a Deployment that exists. Takes (dict "root" $ "component" NAME). */}}
{{- define "podmeter.selectorLabels" -}}
app.kubernetes.io/name: "{{ include "podmeter.name" .root }}"
app.kubernetes.io/instance: "{{ .root.Release.Name }}"
app.kubernetes.io/component: "{{ .component }}"
{{- end }}

{{/*
The labels of every object. Takes the same, and "more": a map. A label of ours beats one of the values that has its name, as others
select by it.
*/}}
{{- define "podmeter.labels" -}}
{{- $own := include "podmeter.selectorLabels" . | fromYaml }}
{{- $_ := set $own "app.kubernetes.io/version" .root.Chart.AppVersion }}
{{- $_ := set $own "app.kubernetes.io/part-of" "podmeter" }}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- toYaml (merge $own (.more | default dict) (.root.Values.commonLabels | default dict)) }}
{{- end }}

{{- define "podmeter.image" -}}
{{- $image := .Values.image }}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "podmeter.serviceAccountName" -}}
{{- $account := .Values.injector.serviceAccount }}
{{- if $account.create }}
{{- $account.name | default (include "podmeter.injector.name" .) }}
{{- else }}
{{- $account.name | default "default" }}
{{- end }}
{{- end }}

{{- define "podmeter.certificateSecret" -}}
{{- .Values.certificates.secretName | default (printf "%s-cert" (include "podmeter.injector.name" .)) }}
{{- end }}

{{/* The restricted Pod Security level asks for all of these. */}}
{{- define "podmeter.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
