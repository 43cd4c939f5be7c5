{{/* What a schema cannot say: values that fit one by one and not together. Each is refused with a sentence. */}}

{{/* What `podmeter injector` would end over. Takes the root. */}}
{{- define "podmeter.injector.checks" -}}
{{- $injector := .Values.injector }}
{{- if eq (int $injector.port) (int $injector.metricsPort) }}
{{- fail (printf "injector.port and injector.metricsPort are both %d; give each a port of its own" (int $injector.port)) }}
{{- end }}
{{- if eq .Values.certificates.mode "self" }}
{{- $certificate := .Values.certificates.lifetime | trimSuffix "h" | int }}
{{- $authority := .Values.certificates.caLifetime | trimSuffix "h" | int }}
{{- if lt $authority (mul 3 $certificate | int) }}
{{- fail (printf "certificates.caLifetime is %dh, but it takes at least three times certificates.lifetime, which is %dh" $authority $certificate) }}
{{- end }}
{{- if gt $authority 175200 }}
{{- fail (printf "certificates.caLifetime is %dh, but it takes at most 175200h, which is 20 years" $authority) }}
{{- end }}
{{- end }}
{{- $flags := include "podmeter.injector.flags" . | fromYaml }}
{{- $seen := dict "--set" false }}
{{- range $argument := $injector.extraArgs }}
{{- $flag := regexReplaceAll "=(.|\n)*$" $argument "" }}
{{- $instead := get $flags $flag }}
{{- if $instead }}
{{- fail (printf "injector.extraArgs has %s, which the chart sets by itself; set %s instead" $flag $instead) }}
{{- end }}
{{- if get $seen $flag }}
{{- fail (printf "injector.extraArgs has %s twice; give it once" $flag) }}
{{- else if and (hasPrefix "--" $flag) (not (hasKey $seen $flag)) }}
{{- $_ := set $seen $flag true }}
{{- end }}
{{- end }}
{{- end }}

{{/* The flags that the chart sets, each once, and the values that they follow. */}}
{{- define "podmeter.injector.flags" -}}
--listen: injector.listenAddress or injector.port
--stats-listen: injector.listenAddress or injector.metricsPort
--namespace: the namespace of the release
--cert-secret: certificates.secretName
--webhook-config: fullnameOverride
--service: fullnameOverride
--cluster-domain: certificates.clusterDomain
--cert-lifetime: certificates.lifetime
--ca-lifetime: certificates.caLifetime
--tls-cert: certificates.mode
--tls-key: certificates.mode
--failure-policy: injector.failurePolicy
--log-level: injector.logLevel
--log-format: injector.logFormat
--image: sidecar.image
{{- end }}

{{/*
Two objects of one name would overwrite each other. Takes a list of the name of the value, and its items: namespace and name are what
the objects are called by, so that a-b in c is the same as b in c-a.
*/}}
{{- define "podmeter.unique" -}}
{{- $value := first . }}
{{- $seen := dict }}
{{- range last . }}
{{- $name := printf "%s-%s" .namespace .name }}
{{- if hasKey $seen $name }}
{{- fail (printf "%s has %s in namespace %s and %s, whose monitors would have one name; leave one out" $value .name .namespace (get $seen $name)) }}
{{- end }}
{{- $_ := set $seen $name (printf "%s in namespace %s" .name .namespace) }}
{{- end }}
{{- end }}
