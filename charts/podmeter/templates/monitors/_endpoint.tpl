{{/*
The one endpoint of a PodMonitor or ServiceMonitor for sidecars. Takes (dict "root" $ "interval" I "drop" LIST "relabelings" LIST
"metricRelabelings" LIST "service" NAME). Each of "drop" is (dict "namespace" NS "labels" MAP), with regular expressions for values.
*/}}
{{- define "podmeter.endpoint" -}}
{{- $monitors := .root.Values.monitors -}}
{{- $interval := .interval | default $monitors.interval -}}
- port: http-envoy-prom
  path: /stats/prometheus
  interval: {{ $interval }}
  scrapeTimeout: {{ include "podmeter.shorter" (list $monitors.scrapeTimeout $interval) }}
  relabelings:
    {{- if .service }}
    # Not every Prometheus finds out the container behind a Service's port where that is a native sidecar.
    - action: replace
      targetLabel: container
      replacement: podmeter-proxy
    - action: replace
      targetLabel: job
      replacement: "{{ .service }}"
    {{- else }}
    # Istio's sidecars have a port of the same name.
    - action: keep
      sourceLabels: [__meta_kubernetes_pod_container_name]
      regex: podmeter-proxy
    {{- end }}
    {{- range .drop }}
    # Has a monitor of its own; scraped twice it would count twice.
    {{- $sources := list "__meta_kubernetes_namespace" }}
    {{- $values := list (regexQuoteMeta .namespace) }}
    {{- range $name, $value := .labels }}
    {{- $sources = append $sources (printf "__meta_kubernetes_pod_label_%s" (regexReplaceAll "[^a-zA-Z0-9_]" $name "_")) }}
    {{- $values = append $values $value }}
    {{- end }}
    - action: drop
      sourceLabels: [{{ join ", " $sources }}]
      regex: {{ join ";" $values | quote }}
    {{- end }}
    # Under these names Flagger's checks for App Mesh and for plain HTTP metrics look for a pod.
    - action: replace
      sourceLabels: [__meta_kubernetes_namespace]
      targetLabel: kubernetes_namespace
    - action: replace
      sourceLabels: [__meta_kubernetes_pod_name]
      targetLabel: kubernetes_pod_name
    {{- with .relabelings }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* The shorter of two durations of one unit each (10s, 500ms): a scrape that may outlast its interval is refused. */}}
{{- define "podmeter.shorter" -}}
{{- $milliseconds := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 -}}
{{- $first := mul (regexFind "^[0-9]+" (first .)) (get $milliseconds (regexFind "[a-z]+$" (first .))) -}}
{{- $last := mul (regexFind "^[0-9]+" (last .)) (get $milliseconds (regexFind "[a-z]+$" (last .))) -}}
{{- gt $first $last | ternary (last .) (first .) -}}
{{- end }}

{{/* What every monitor for sidecars says of a scrape as a whole. */}}
{{- define "podmeter.scrape" -}}
scrapeClassicHistograms: {{ .Values.monitors.classicHistograms }}
{{- with .Values.monitors.sampleLimit }}
sampleLimit: {{ int . }}
{{- end }}
{{- end }}
