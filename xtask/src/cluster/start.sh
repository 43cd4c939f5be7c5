# FOLDER IMAGE COMMAND...: within namespaces of its own, starts a cluster of one node, gives it the image (an archive),
# and runs the command, which finds KUBECONFIG. All of it ends with this script's namespaces.
folder=$1 image=$2
shift 2
node=10.99.0.1
state=$folder/state logs=$folder/logs
PATH=$folder/bin:$PATH
rm -rf "$state" "$logs"
mkdir -p "$state/tmp" "$state/cni" "$logs"
mount --make-rshared /
mount -t tmpfs none /run
ip link set lo up
# The node's address is no loopback address: pods ask it for names.
ip link add node0 type veth peer name node1
ip addr add $node/24 dev node0
ip link set node0 up
ip link set node1 up
ip route add default via 10.99.0.2 dev node0 onlink
sysctl -qw net.ipv4.ip_forward=1
for cgroups in /sys/fs/cgroup/*/ /sys/fs/cgroup/; do
    if [ -e "$cgroups/cgroup.procs" ]; then mkdir -p "$cgroups/podmeter-cluster"; fi
done
start() { name=$1; shift; "$@" > "$logs/$name" 2>&1 < /dev/null & }
# What failed is in the log of one of them.
trap '[ $? = 0 ] || tail -n 3 "$logs"/* | cut -c1-300' EXIT

cd "$state"
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=ca 2> /dev/null
openssl genrsa -out accounts.key 2048 2> /dev/null
openssl rsa -in accounts.key -pubout -out accounts.pub 2> /dev/null
# NAME SUBJECT NAMES: a certificate.
certify() {
    openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" 2> /dev/null
    printf 'subjectAltName=%s\nextendedKeyUsage=clientAuth,serverAuth\n' "$3" > "$1.extensions"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -out "$1.crt" -extfile "$1.extensions" \
        2> /dev/null
}
certify server /CN=server "DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.96.0.1,IP:$node"
certify admin /O=system:masters/CN=admin DNS:admin
certify kubelet /O=system:nodes/CN=system:node:node DNS:node,IP:$node
for name in admin kubelet; do
    cat > "$name.conf" <<END
{apiVersion: v1, kind: Config, current-context: here,
 clusters: [{name: here, cluster: {server: "https://$node:6443", certificate-authority: $state/ca.crt}}],
 users: [{name: $name, user: {client-certificate: $state/$name.crt, client-key: $state/$name.key}}],
 contexts: [{name: here, context: {cluster: here, user: $name}}]}
END
done
export KUBECONFIG="$state/admin.conf"

start etcd etcd --data-dir "$state/etcd" --unsafe-no-fsync
start apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 --advertise-address=$node --allow-privileged \
    --client-ca-file=ca.crt --tls-cert-file=server.crt --tls-private-key-file=server.key --authorization-mode=Node,RBAC \
    --service-cluster-ip-range=10.96.0.0/16 --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file=accounts.pub --service-account-signing-key-file=accounts.key \
    --kubelet-client-certificate=admin.crt --kubelet-client-key=admin.key --kubelet-preferred-address-types=InternalIP
tries=0
until kubectl get --raw /readyz > /dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries = 120 ]; then echo "the API server does not answer"; exit 1; fi
    sleep 1
done
start controllers kube-controller-manager --kubeconfig=admin.conf --service-account-private-key-file=accounts.key \
    --root-ca-file=ca.crt --use-service-account-credentials --leader-elect=false
start scheduler kube-scheduler --kubeconfig=admin.conf --leader-elect=false
start proxy kube-proxy --kubeconfig=admin.conf --hostname-override=node --cluster-cidr=10.244.0.0/16 \
    --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0

cat > cni/10-bridge.conflist <<'END'
{"cniVersion": "0.4.0", "name": "bridge", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true,
 "ipMasq": true, "hairpinMode": true, "ipam": {"type": "host-local", "dataDir": "/run/cni",
 "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
END
# Where a machine withholds CAP_SYS_RESOURCE, nobody may raise limits or be spared when memory runs out.
cat > runc <<'END'
#!/bin/sh
before=
for argument; do
    if [ "$before" = --bundle ]; then config=$argument/config.json; fi
    before=$argument
done
if [ -n "${config:-}" ] && [ -e "$config" ]; then
    jq 'del(.process.oomScoreAdj, .process.rlimits)' "$config" > "$config.new"
    mv "$config.new" "$config"
fi
exec /usr/sbin/runc "$@"
END
chmod 755 runc
cat > containerd.toml <<END
version = 2
root = "$state/containerd"
state = "/run/containerd"
[grpc]
address = "/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/pause:1"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$state/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "$state/runc"
END
start containerd containerd --config containerd.toml
echo "nameserver $node" > resolv.conf
cat > kubelet.yaml <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authorization: {mode: AlwaysAllow}
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
cgroupDriver: cgroupfs
cgroupRoot: /podmeter-cluster
clusterDNS: [$node]
clusterDomain: cluster.local
resolvConf: $state/resolv.conf
tlsCertFile: $state/kubelet.crt
tlsPrivateKeyFile: $state/kubelet.key
failSwapOn: false
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi}
END
start kubelet kubelet --kubeconfig=kubelet.conf --config=kubelet.yaml --hostname-override=node --node-ip=$node \
    --container-runtime=remote --container-runtime-endpoint=unix:///run/containerd.sock --root-dir="$state/kubelet"

# What holds a pod's namespaces has nothing to do but to be there.
mkdir -p "$state/pause/bin"
cp "$(command -v busybox)" "$state/pause/bin/"
export TMPDIR="$state/tmp"
b() { buildah --root "$folder/storage" --runroot /run/buildah --storage-driver vfs "$@"; }
pause=$(b from scratch)
b copy -q "$pause" "$state/pause" / > /dev/null
b config --entrypoint '["/bin/busybox","sleep","2147483647"]' "$pause"
b commit -q --rm "$pause" localhost/pause:1 > /dev/null
b push -q localhost/pause:1 "docker-archive:$state/pause.tar:localhost/pause:1"
b rmi localhost/pause:1 > /dev/null
tries=0
until ctr -a /run/containerd.sock -n k8s.io images import "$state/pause.tar" > /dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries = 60 ]; then echo "containerd takes no image"; exit 1; fi
    sleep 1
done
ctr -a /run/containerd.sock -n k8s.io images import "$image" > /dev/null

# Names of Services, as the cluster's DNS would answer; it looks for new ones as long as the cluster lives.
touch names
start names dnsmasq -k -C /dev/null -a $node -z -R -h -H "$state/names" --local=/cluster.local/ -x "$state/dnsmasq.pid" -u root
(
    while sleep 1; do
        kubectl get services -A -o json 2> /dev/null | jq -r '.items[] | select(.spec.clusterIP != "None") |
            "\(.spec.clusterIP) \(.metadata.name).\(.metadata.namespace).svc.cluster.local"' > names.new
        if ! cmp -s names.new names; then cat names.new > names; kill -HUP "$(cat dnsmasq.pid)"; fi
    done
) > /dev/null 2>&1 &
tries=0
until kubectl get nodes 2> /dev/null | grep -q ' Ready '; do
    tries=$((tries + 1))
    if [ $tries = 120 ]; then echo "the node is not ready"; exit 1; fi
    sleep 1
done
echo "    $(kubectl version --short 2> /dev/null | tail -n 1 | sed 's/Server Version:/Kubernetes/'), one node"
"$@"
