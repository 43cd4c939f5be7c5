{{/*
Whether objects of another project's kind are made: "true" or "". Takes (dict "root" $ "enabled" VALUE "kind" GROUP/VERSION).
"auto" asks the cluster. Every real one has the group apiregistration.k8s.io; what Helm assumes without a cluster
(`helm template`) lacks it, and nobody can be asked then: the objects are made.
*/}}
{{- define "podmeter.wanted" -}}
{{- if eq (toString .enabled) "auto" }}
{{- $known := .root.Capabilities.APIVersions }}
{{- if or ($known.Has .kind) (not ($known.Has "apiregistration.k8s.io/v1")) }}true{{ end }}
{{- else if eq (toString .enabled) "true" }}true
{{- end }}
{{- end }}

{{- define "podmeter.operator.wanted" -}}
{{- include "podmeter.wanted" (dict "root" . "enabled" .Values.prometheusOperator.enabled "kind" "monitoring.coreos.com/v1") }}
{{- end }}

{{- define "podmeter.flagger.wanted" -}}
{{- include "podmeter.wanted" (dict "root" . "enabled" .Values.flagger.enabled "kind" "flagger.app/v1beta1") }}
{{- end }}

{{/* Namespace and labels of what the Prometheus Operator reads. Takes (dict "root" $ "component" NAME). */}}
{{- define "podmeter.operator.metadata" -}}
namespace: "{{ .root.Values.prometheusOperator.namespace | default .root.Release.Namespace }}"
labels:
  {{- include "podmeter.labels" (merge (dict "more" .root.Values.prometheusOperator.labels) .) | nindent 2 }}
{{- end }}
