//! `cargo xtask image`: the container image, made by the Dockerfile as it is, looked into and run.
//!
//! Where no registry can be reached there is no `rust:1-alpine` to build in. So an image of that name is made
//! of this machine's own compiler, which is mounted while the Dockerfile runs, and of a `cargo` that adds what
//! Alpine's does by itself: it builds for musl. All else is as in a real build: the binary is compiled from
//! what the context holds, and from nothing beside it.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::packages;
use crate::workspace::{self, command, describe, root, run};

/// What the image is called in its archive.
pub(crate) const NAME: &str = "localhost/podmeter:check";

/// Builds the image, checks what is in it, and runs it as Kubernetes would.
pub(crate) fn check() -> Result<()> {
    build()?;
    println!("==> the image, read-only and as user 1337");
    let mut apart = command("unshare");
    apart.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh"]);
    script(apart, RUN, &[&folder()?])
}

/// Builds it and checks what is in it; gives its archive.
pub(crate) fn build() -> Result<PathBuf> {
    workspace::as_root("an image is made and mounted as root")?;
    packages::ensure(packages::FOR_IMAGE)?;
    let target = format!("{ARCH}-unknown-linux-musl");
    run(command("rustup").args(["target", "add", &target]))
        .context("the static binary needs Rust's standard library for musl")?;
    let sysroot = said(command("rustc").args(["--print", "sysroot"]))?;
    let folder = folder()?;
    fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    println!("==> the Dockerfile, compiling in a stand-in for rust:1-alpine");
    script(command("sh"), BUILD, &[&folder, Path::new(&target), Path::new(&sysroot), root()])?;
    Ok(folder.join("podmeter.tar"))
}

fn folder() -> Result<PathBuf> {
    Ok(workspace::target_dir()?.join("image"))
}

/// The one line that a program prints.
fn said(program: &mut Command) -> Result<String> {
    let output =
        program.output().with_context(|| format!("could not run {}", describe(program)))?;
    if !output.status.success() {
        bail!("{} ended with {}", describe(program), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn script(mut shell: Command, text: &str, arguments: &[&Path]) -> Result<()> {
    shell.args(["-euc", text, "image"]).args(arguments);
    let status = shell.status().context("could not start a shell")?;
    if !status.success() {
        bail!("the image is not as it should be ({status}); the lines above say what was tried");
    }
    Ok(())
}

/// Folder, target, compiler's folder, repository: leaves the image in `FOLDER/podmeter.tar`, and
/// its files in `FOLDER/root`.
const BUILD: &str = r#"
folder=$1 target=$2 compiler=$3 repository=$4
b() { buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver vfs "$@"; }
rm -rf "$folder/base" "$folder/root" "$folder/podmeter.tar"
mkdir -p "$folder/base/usr/local/bin" "$folder/base/etc/ssl/certs" "$folder/base/tmp" "$folder/tmp"
for name in bin lib lib64; do ln -s "usr/$name" "$folder/base/$name"; done
cp /etc/ssl/certs/ca-certificates.crt "$folder/base/etc/ssl/certs/"
cat > "$folder/base/usr/local/bin/cargo" <<END
#!/bin/sh -e
[ "\$*" = "build --release --locked --bin podmeter" ] || { echo "asked for: \$*"; exit 1; }
PATH=/compiler/bin:\$PATH /compiler/bin/cargo "\$@" --target $target
mkdir -p target/release
cp target/$target/release/podmeter target/release/
END
chmod 755 "$folder/base/usr/local/bin/cargo"
base=$(b from scratch)
b copy -q "$base" "$folder/base" / > /dev/null
b config --env PATH=/usr/local/bin:/usr/bin --env CARGO_HOME=/usr/local/cargo "$base"
b commit -q --rm "$base" docker.io/library/rust:1-alpine > /dev/null
mounts="-v $compiler:/compiler:ro"
for path in /usr/bin /usr/lib /usr/lib64 /usr/libexec /usr/include /etc/alternatives; do
    if [ -d "$path" ]; then mounts="$mounts -v $path:$path:ro"; fi
done
# The folders that the Dockerfile keeps from build to build are made there.
export TMPDIR="$folder/tmp"
b bud --isolation chroot --pull=never --layers=false $mounts -t localhost/podmeter:check -f "$repository/Dockerfile" "$repository"
image=$(b from --pull=never localhost/podmeter:check)
cp -a "$(b mount "$image")" "$folder/root"
user=$(b inspect --format '{{.OCIv1.Config.User}}' "$image")
b umount "$image" > /dev/null; b rm "$image" > /dev/null
b push -q localhost/podmeter:check "docker-archive:$folder/podmeter.tar:localhost/podmeter:check"
b rmi localhost/podmeter:check docker.io/library/rust:1-alpine > /dev/null
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
