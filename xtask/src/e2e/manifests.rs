//! What is put into the cluster: an app, its client, and pods to look at.

/// A namespace, with the label that asks for sidecars or without.
pub(super) fn labelled(name: &str, asks: bool) -> String {
    let label = if asks { "podmeter.io/inject: enabled, " } else { "" };
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels: \
         {{{label}podmeter.io/e2e: \"\"}}\n"
    )
}

/// A server with a port that has no metrics of its own: the metrics of a podmeter that meters nothing.
pub(super) const APP: &str = "\
apiVersion: v1
kind: Service
metadata: {name: app}
spec:
  selector: {app: app}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata:
      labels: {app: app, podmeter.io/e2e: \"\"}
    spec:
      containers:
        - name: app
          image: IMAGE
          imagePullPolicy: IfNotPresent
          args: [proxy, --forward, 9009=127.0.0.1:1, --stats-listen, '8080', --admin-listen, 'off', --health-listen, 'off']
          securityContext: {runAsUser: 1000}
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /ready, port: http}}
";

/// Asks the app as often as [`REQUESTS`], and ends.
pub(super) const CLIENT: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: client
  labels: {app: client, podmeter.io/e2e: \"\"}
spec:
  restartPolicy: OnFailure
  containers:
    - name: client
      image: IMAGE
      imagePullPolicy: IfNotPresent
      args:
        - merge
        - http://app.podmeter-e2e-injected/metrics?number=1
        - http://app.podmeter-e2e-injected/metrics?number=2
        - http://app.podmeter-e2e-injected/metrics?number=3
";

/// How often [`CLIENT`] asks.
pub(super) const REQUESTS: u32 = 3;

/// A pod that is as it is.
pub(super) const PLAIN: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: plain
  labels: {app: plain, podmeter.io/e2e: \"\"}
spec:
  containers:
    - name: plain
      image: IMAGE
      imagePullPolicy: IfNotPresent
      args: [proxy, --forward, 9009=127.0.0.1:1]
";

/// A pod with an annotation that does not exist.
pub(super) const MISSPELT: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: misspelt
  labels: {app: misspelt, podmeter.io/e2e: \"\"}
  annotations: {podmeter.io/dialekt: istio}
spec:
  containers:
    - name: misspelt
      image: IMAGE
      imagePullPolicy: IfNotPresent
      args: [proxy, --forward, 9009=127.0.0.1:1]
";
