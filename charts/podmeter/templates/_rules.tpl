{{/* The groups of alerts, for a PrometheusRule and for a file of a plain Prometheus alike. */}}
{{- define "podmeter.ruleGroups" -}}
{{- $rules := .Values.rules -}}
{{- $workload := "destination_workload_namespace, destination_workload" -}}
{{- $requests := `sum by (NAMES) (rate(istio_requests_total{reporter="destination"}[5m]))` | replace "NAMES" $workload -}}
{{- $failed := `sum by (NAMES) (rate(istio_requests_total{reporter="destination", response_code=~"5.."}[5m]))` | replace "NAMES" $workload -}}
{{- $busy := printf "%s > %v" $requests $rules.minimumRate -}}
- name: podmeter.workloads
  rules:
    - alert: PodmeterErrorRate
      expr: |
        {{ $failed }}
          / {{ $requests }}
          > {{ $rules.errorRatio }}
        and {{ $busy }}
      for: {{ $rules.for }}
      labels:
        {{- include "podmeter.ruleLabels" (list . "critical") | nindent 8 }}
      annotations:
        summary: '{{`{{ $labels.destination_workload_namespace }}/{{ $labels.destination_workload }}`}} answers with 5xx'
        description: '{{`{{ $value | humanizePercentage }}`}} of its answers are 5xx, as its sidecars saw them. response_flags tells whether the app sent them (-) or could not be reached (UF) or broke off (UC, UPE).'
    - alert: PodmeterLatency
      expr: |
        histogram_quantile(0.99, sum by ({{ $workload }}, le) (rate(istio_request_duration_milliseconds_bucket{reporter="destination"}[5m])))
          > {{ $rules.latencyMilliseconds }}
        and {{ $busy }}
      for: {{ $rules.for }}
      labels:
        {{- include "podmeter.ruleLabels" (list . "warning") | nindent 8 }}
      annotations:
        summary: '{{`{{ $labels.destination_workload_namespace }}/{{ $labels.destination_workload }}`}} is slow'
        description: 'Its 99th percentile is {{`{{ $value | humanize }}`}} ms, at its sidecars, so without the network.'
- name: podmeter.sidecars
  rules:
    - alert: PodmeterSidecarDown
      expr: up{container="podmeter-proxy"} == 0
      for: {{ $rules.for }}
      labels:
        {{- include "podmeter.ruleLabels" (list . "warning") | nindent 8 }}
      annotations:
        summary: 'The sidecar of {{`{{ $labels.namespace }}/{{ $labels.pod }}`}} does not answer Prometheus'
        description: 'If its app is well, a NetworkPolicy keeps Prometheus from port 15090, or the scrape takes longer than its time-out.'
    - alert: PodmeterAppScrapeFailing
      expr: podmeter_app_scrape_up == 0
      for: {{ $rules.for }}
      labels:
        {{- include "podmeter.ruleLabels" (list . "warning") | nindent 8 }}
      annotations:
        summary: 'The metrics of the app in {{`{{ $labels.namespace }}/{{ $labels.pod }}`}} cannot be read'
        description: 'Source {{`{{ $labels.source }}`}}. podmeter_app_scrape_failures_total has the reason, and /sources on the admin listener a sentence.'
    - alert: PodmeterSeriesOverflow
      expr: increase(podmeter_series_overflow_total[15m]) > 0
      for: {{ $rules.for }}
      labels:
        {{- include "podmeter.ruleLabels" (list . "warning") | nindent 8 }}
      annotations:
        summary: '{{`{{ $labels.namespace }}/{{ $labels.pod }}`}} has more series than --max-series'
        description: 'What is beyond shares one overflow series. Find out which label grows, or raise the annotation podmeter.io/max-series.'
    - alert: PodmeterConnectionsRefused
      expr: increase(podmeter_connections_overflow_total[15m]) > 0
      for: {{ $rules.for }}
      labels:
        {{- include "podmeter.ruleLabels" (list . "critical") | nindent 8 }}
      annotations:
        summary: '{{`{{ $labels.namespace }}/{{ $labels.pod }}`}} refuses connections beyond --max-connections'
        description: 'Raise the annotation podmeter.io/max-connections, or run more pods.'
{{- if .Values.injector.enabled }}
- name: podmeter.injector
  rules:
    - alert: PodmeterCertificateExpires
      expr: min by (namespace, pod) (podmeter_injector_certificate_expiry_timestamp_seconds) - time() < {{ mul $rules.certificateDays 86400 }}
      for: {{ $rules.for }}
      labels:
        {{- include "podmeter.ruleLabels" (list . "critical") | nindent 8 }}
      annotations:
        summary: "The injector's certificate ends in {{`{{ $value | humanizeDuration }}`}}"
        description: 'Nobody has renewed it. With failurePolicy Ignore, pods start without a sidecar from then on.'
    - alert: PodmeterInjectorNotBelieved
      expr: sum by (namespace) (increase(podmeter_injector_tls_failures_total[15m])) > 0
      for: {{ $rules.for }}
      labels:
        {{- include "podmeter.ruleLabels" (list . "warning") | nindent 8 }}
      annotations:
        summary: 'The injector was hung up on {{`{{ $value | humanize }}`}} times in 15 minutes'
        description: "Most likely by API servers that do not believe its certificate, so that pods start without a sidecar. Compare the webhook's caBundle with the Secret."
    - alert: PodmeterSidecarRefused
      expr: sum by (namespace, reason) (increase(podmeter_injector_reviews_total{outcome="refused"}[15m])) > 0
      labels:
        {{- include "podmeter.ruleLabels" (list . "warning") | nindent 8 }}
      annotations:
        summary: "Pods run without a sidecar that ask for what cannot be"
        description: 'Reason {{`{{ $labels.reason }}`}}. Mostly a misspelt annotation. The sentence is in the warnings of kubectl and in the log of the injector.'
{{- if eq .Values.certificates.mode "self" }}
    - alert: PodmeterCaBundleOutOfStep
      expr: min by (namespace) (podmeter_injector_ca_bundle_in_step) == 0
      for: {{ $rules.for }}
      labels:
        {{- include "podmeter.ruleLabels" (list . "critical") | nindent 8 }}
      annotations:
        summary: "The webhook's caBundle does not hold the injector's authority"
        description: "The API server cannot believe the injector, so pods start without a sidecar. Is the injector's ClusterRole there?"
{{- end }}
{{- end }}
{{- with $rules.additionalGroups }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "podmeter.ruleLabels" -}}
{{- toYaml (merge (dict "severity" (last .)) ((first .).Values.rules.labels | default dict)) }}
{{- end }}
