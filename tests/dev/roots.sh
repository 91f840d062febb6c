# shellcheck shell=bash
# roots.sh - other releases of Debian on this machine: one folder each, made by debootstrap in about half a minute and kept between runs, entered by chroot.
#
#   root_make RELEASE              makes the root if it is not there; RELEASE is bookworm, trixie or forky
#   root_run RELEASE COMMAND...    runs the command in it, in the checkout; its exit code is the command's
#   root_remove RELEASE            away with it
#
# What a command in a root sees:
#
#   /cdc-relay         this checkout, read-only
#   /cdc-relay/build   the folder $ROOT_BUILD, for it alone
#   ~/.cache/...       the broker's jars, read-only; nothing else of this machine's home
#   /dev /proc /dev/shm
#
# All of it is mounted in a mount namespace of the command's own, and its processes are in a process namespace of its own: both end with the command, whatever
# became of it. So this machine never has a mount below a root or below build/, and nothing runs on behind our back. The network is shared: servers in a root
# take free loopback ports like all others of ours.
#
# Needs root's rights, and the package debootstrap. Where packages come from is read from this machine's own apt sources, or given as DEV_MIRROR.

ROOT_FOLDERS=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/cdc-relay/roots

# The addresses in this machine's apt sources, of both notations, one a line: the archive first, then the security archive.
root_mirrors() {
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list; do
    [ -e "$file" ] || continue
    sed -nE -e 's/^URIs:[[:space:]]*([^[:space:]]+).*/\1/p' -e 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+).*/\2/p' "$file"
  done | sed 's:/*$::' | grep -E '/debian(-security)?$' | awk '!seen[$0]++'
}

root_mirror() {
  local mirror=${DEV_MIRROR:-}
  [ -n "$mirror" ] || mirror=$(root_mirrors | grep -E '/debian$' | head -n 1)
  [ -n "$mirror" ] || {
    echo "dev: this machine's apt sources name no Debian archive; set DEV_MIRROR to one" >&2
    return 1
  }
  echo "$mirror"
}

# root_sources RELEASE: what its apt reads. Testing has its security updates in the archive itself.
root_sources() {
  local mirror security
  mirror=$(root_mirror) || return 1
  echo "deb $mirror $1 main"
  [ "$1" != forky ] || return 0
  echo "deb $mirror $1-updates main"
  security=$(root_mirrors | grep -E -m 1 -e '-security$') || return 0
  echo "deb $security $1-security main"
}

root_make() {
  local release=$1 folder=$ROOT_FOLDERS/$1 new mirror scripts=/usr/share/debootstrap/scripts script=''
  [ ! -d "$folder" ] || return 0
  [ "$(id -u)" = 0 ] || {
    echo "dev: only root can make and enter a root of another release" >&2
    return 1
  }
  setup_install debootstrap || return 1
  mirror=$(root_mirror) || return 1
  # A release that this debootstrap has not heard of yet is made as unstable is.
  [ -e "$scripts/$release" ] || script=$scripts/sid
  say "making a root of Debian $release in $folder"
  mkdir -p "$ROOT_FOLDERS"
  new=$(mktemp -d "$ROOT_FOLDERS/$release.XXXXXX")
  # A partial one never gets the name.
  if ! debootstrap --variant=minbase "$release" "$new" "$mirror" ${script:+"$script"} >"$ROOT/build/debootstrap.log" 2>&1; then
    tail -n 10 "$ROOT/build/debootstrap.log" >&2
    rm -rf --one-file-system "$new"
    return 1
  fi
  root_sources "$release" >"$new/etc/apt/sources.list"
  {
    echo 'APT::Install-Recommends "false";'
    # The copy of testing that a mirror has may be older than it says of itself.
    [ "$release" != forky ] || echo 'Acquire::Check-Valid-Until "false";'
  } >"$new/etc/apt/apt.conf.d/90cdc-relay"
  rm -rf --one-file-system "$new"/var/cache/apt/archives/*.deb
  mkdir -p "$new/cdc-relay" "$new/root/.cache/cdc-relay"
  chmod 0755 "$new"
  mv -T "$new" "$folder"
}

root_remove() {
  local folder=$ROOT_FOLDERS/$1
  if grep -qF " $folder/" /proc/self/mounts; then
    echo "dev: something is mounted below $folder; unmount it first" >&2
    return 1
  fi
  rm -rf --one-file-system "$folder"
}

# The part that runs in the new namespaces, as their first process. bash -c "$ROOT_ENTERS" bash FOLDER CHECKOUT BUILD LIBS COMMAND...
# shellcheck disable=SC2016
ROOT_ENTERS='
set -euo pipefail
folder=$1 checkout=$2 build=$3 libs=$4
shift 4
mount -t proc proc "$folder/proc"
mount --bind /dev "$folder/dev"
mount -t tmpfs -o mode=1777 tmpfs "$folder/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$folder/tmp"
mount --bind "$checkout" "$folder/cdc-relay"
mount -o remount,bind,ro "$folder/cdc-relay"
mount --bind "$build" "$folder/cdc-relay/build"
if [ -d "$libs" ]; then
  inside=$folder/root/.cache/cdc-relay/${libs##*/}
  mkdir -p "$inside"
  mount --bind "$libs" "$inside"
  mount -o remount,bind,ro "$inside"
fi
# Not by exec: the first process of a namespace has to collect orphans, which bash does and most programs do not.
chroot "$folder" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" \
  env -C /cdc-relay "$@" &
command=$!
trap "kill -s TERM $command 2>/dev/null || true" INT TERM
code=0
wait $command || code=$?
# A wait that a signal ended is not the end of the command, which still tidies up.
while kill -0 $command 2>/dev/null; do
  code=0
  wait $command || code=$?
done
exit $code
'

# root_run RELEASE COMMAND...: one at a time in each root.
root_run() {
  local folder=$ROOT_FOLDERS/$1
  shift
  : "${ROOT_BUILD:?a folder for the build}"
  mkdir -p "$ROOT_BUILD"
  cp /etc/hosts /etc/resolv.conf "$folder/etc/"
  (
    flock -n 9 || {
      echo "dev: another run is in $folder" >&2
      exit 1
    }
    unshare --mount --propagation private --pid --fork --kill-child=KILL \
      bash -c "$ROOT_ENTERS" bash "$folder" "$ROOT" "$ROOT_BUILD" "$(kafka_libs)" "$@" 9>&-
  ) 9>"$folder.lock"
}
