# FOLDER: builds Kubernetes in it, unless it is there.
#
# The newest Kubernetes that Debian's archive has whole is 1.20.2, with all that it needs but one library, which
# compilers after Go 1.17 want newer, and one file that its own build makes.
folder=$1
pool=http://deb.debian.org/debian/pool/main
archive=kubernetes_1.20.5+really1.20.2.orig.tar.gz
sum=b83c0780efb182d928dc63d46488a847f161f04e40a94b96bf5247dd671ecdfc
programs="kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl"
if [ -e "$folder/bin/complete" ]; then exit 0; fi

mkdir -p "$folder/bin" "$folder/go/src/k8s.io"
cd "$folder"
curl -fsSLo kubernetes.tar.gz "$pool/k/kubernetes/$archive"
echo "$sum  kubernetes.tar.gz" | sha256sum -c --quiet
source=$folder/go/src/k8s.io/kubernetes
rm -rf "$source" kubernetes-1.20.2
tar xzf kubernetes.tar.gz
mv kubernetes-1.20.2 "$source"
library=vendor/github.com/modern-go/reflect2
rm -f "$source/$library"/*.go "$source/$library"/*.s
cp /usr/share/gocode/src/github.com/modern-go/reflect2/*.go /usr/share/gocode/src/github.com/modern-go/reflect2/*.s \
    "$source/$library/"
rm -f "$source/$library"/*_test.go

cd "$source"
PATH=/usr/lib/go-1.19/bin:$PATH
export PATH GOPATH="$folder/go" GOCACHE="$folder/cache" GO111MODULE=off CGO_ENABLED=0
go build -o "$folder/bin/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
described=$(grep -rl '+k8s:openapi-gen=' --include='*.go' staging/src/k8s.io pkg cmd | xargs -n1 dirname | sort -u \
    | grep -vE '/testdata|sample-|code-generator|_examples|/pkg/apis/apiregistration$' \
    | sed -E 's#^staging/src/#k8s.io/kubernetes/vendor/#; s#^(pkg|cmd)/#k8s.io/kubernetes/\1/#' | paste -sd,)
"$folder/bin/openapi-gen" -O zz_generated.openapi -i "$described" -p k8s.io/kubernetes/pkg/generated/openapi \
    -h hack/boilerplate/boilerplate.generatego.txt --output-base "$folder/go/src" -r /dev/null > /dev/null 2>&1
# Which version it is, the archive leaves to its own build, too.
sed -i 's/"v0\.0\.0-master+[^"]*"/"v1.20.2"/' staging/src/k8s.io/component-base/version/base.go \
    staging/src/k8s.io/client-go/pkg/version/base.go
for program in $programs; do
    echo "    $program"
    # The kubelet alone calls C.
    if [ "$program" = kubelet ]; then CGO_ENABLED=1; else CGO_ENABLED=0; fi
    export CGO_ENABLED
    go build -ldflags "-s -w" -o "$folder/bin/$program" "./cmd/$program"
done
rm -rf "$folder/kubernetes.tar.gz" "$folder/go" "$folder/cache"
touch "$folder/bin/complete"
