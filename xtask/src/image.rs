//! `cargo xtask image`: the container image, made by the Dockerfile as it is, looked into and run.
//!
//! Where no registry can be reached there is no `rust:1-alpine` to build in. So the static binary is built
//! outside, and what the Dockerfile starts from is an image of that name whose `cargo` checks what it is
//! asked for and hands that binary over. Everything else is as in a real build.

use std::env::consts::ARCH;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::packages;
use crate::workspace::{self, cargo, command, describe, root, run};

/// Builds the image, checks what is in it, and runs it as Kubernetes would.
pub(crate) fn check() -> Result<()> {
    let id = command("id").arg("-u").output().context("could not start id")?;
    if id.stdout.trim_ascii() != b"0" {
        bail!("an image is made and mounted as root; run this with sudo");
    }
    packages::ensure(packages::FOR_IMAGE)?;
    let target = format!("{ARCH}-unknown-linux-musl");
    run(command("rustup").args(["target", "add", &target]))
        .context("the static binary needs Rust's standard library for musl")?;
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--bin", "podmeter", "--target", &target]);
    println!("==> {}", describe(&build));
    run(&mut build)?;

    let folder = workspace::target_dir()?.join("image");
    let binary = workspace::target_dir()?.join(&target).join("release/podmeter");
    fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    println!("==> the Dockerfile, from a stand-in for its compiler");
    script(command("sh"), BUILD, &[&folder, &binary, root()])?;
    println!("==> the image, read-only and as user 1337");
    let mut apart = command("unshare");
    apart.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh"]);
    script(apart, RUN, &[&folder])
}

fn script(mut shell: Command, text: &str, arguments: &[&Path]) -> Result<()> {
    shell.args(["-euc", text, "image"]).args(arguments);
    let status = shell.status().context("could not start a shell")?;
    if !status.success() {
        bail!("the image is not as it should be ({status}); the lines above say what was tried");
    }
    Ok(())
}

/// Folder, binary, repository: leaves the image's files in `FOLDER/root`.
const BUILD: &str = r#"
folder=$1 binary=$2 repository=$3
b() { buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver vfs "$@"; }
rm -rf "$folder/base" "$folder/root"
mkdir -p "$folder/base/bin" "$folder/base/usr/local/bin" "$folder/base/etc/ssl/certs" "$folder/base/built"
cp "$(command -v busybox)" "$folder/base/bin/busybox"
for name in sh cp mkdir; do ln -sf busybox "$folder/base/bin/$name"; done
cp /etc/ssl/certs/ca-certificates.crt "$folder/base/etc/ssl/certs/"
cp "$binary" "$folder/base/built/podmeter"
cat > "$folder/base/usr/local/bin/cargo" <<'END'
#!/bin/sh
[ "$*" = "build --release --locked --bin podmeter" ] || { echo "asked for: $*"; exit 1; }
for file in Cargo.lock src/main.rs xtask/Cargo.toml benches tests; do
    [ -e "$file" ] || { echo "$file is not in the context"; exit 1; }
done
mkdir -p target/release && cp /built/podmeter target/release/podmeter
END
chmod 755 "$folder/base/usr/local/bin/cargo"
base=$(b from scratch)
b copy -q "$base" "$folder/base" / > /dev/null
b config --env PATH=/usr/local/bin:/bin "$base"
b commit -q --rm "$base" docker.io/library/rust:1-alpine > /dev/null
b bud -q --isolation chroot --pull=never --layers=false -t podmeter:check -f "$repository/Dockerfile" "$repository" > /dev/null
image=$(b from --pull=never podmeter:check)
cp -a "$(b mount "$image")" "$folder/root"
user=$(b inspect --format '{{.OCIv1.Config.User}}' "$image")
b umount "$image" > /dev/null; b rm "$image" > /dev/null
b rmi podmeter:check docker.io/library/rust:1-alpine > /dev/null
[ "$user" = 1337:1337 ] || { echo "it runs as $user"; exit 1; }
files=$(cd "$folder/root" && find . ! -type d | sort | tr '\n' ' ')
[ "$files" = "./etc/ssl/certs/ca-certificates.crt ./podmeter " ] || { echo "it holds $files"; exit 1; }
bytes=$(cat "$folder/root/podmeter" "$folder/root/etc/ssl/certs/ca-certificates.crt" | wc -c)
echo "    holds $files and is $bytes bytes"
[ "$bytes" -lt 20000000 ] || { echo "it is larger than 20 MB"; exit 1; }
"#;

/// Folder: runs what is in `FOLDER/root`, within namespaces of its own that end with it.
const RUN: &str = r#"
root=$1/root
ip link set lo up
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
as() { user=$1; shift; chroot --userspec="$user" "$root" /podmeter "$@"; }
# Not by the function, which would be a shell between.
chroot --userspec=1337:1337 "$root" /podmeter proxy --forward 8080=8081 & proxy=$!
for attempt in $(seq 300); do
    if curl -fs localhost:15021/healthz/ready > /dev/null; then break; fi
    sleep 0.1
done
grep -q "^Uid:.1337.1337.1337.1337$" "/proc/$proxy/status"
grep -q "^CapEff:.0*$" "/proc/$proxy/status"
# Nobody listens on 8081; that is a request all the same.
curl -s -o /dev/null localhost:8080 || true
curl -fs localhost:15090/stats/prometheus | grep -q '^istio_requests_total{.*response_code="503".*} 1$'
if as 1337:1337 redirect apply 2> /dev/null; then echo "rules without NET_ADMIN"; exit 1; fi
as 0:0 redirect apply > /dev/null
as 0:0 redirect show > /dev/null
if touch "$root/file" 2> /dev/null; then echo "it is not read-only"; exit 1; fi
kill "$proxy"
wait "$proxy"
echo "    proxy and redirect run in it, without a right and without writing"
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_are_valid_shell() {
        for script in [BUILD, RUN] {
            run(command("sh").args(["-nc", script])).unwrap();
        }
    }
}
