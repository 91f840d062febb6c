# shellcheck shell=bash
# setup.sh - installs what the project needs and is not there yet: Debian packages, and the jars of the Apache Kafka that tests use. Safe to repeat, quiet
# when nothing is missing, and starts no system service.

# What builds, demos and tests use, by release: Debian's server package carries its version in its name.
setup_packages() {
  local release version
  # shellcheck disable=SC1091
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}") # testing has no number yet
  case $release in
    trixie) version=17 ;;
    forky | sid) version=18 ;;
    *) version=15 ;;
  esac
  echo "gcc libc6-dev cmake ninja-build pkg-config"
  echo "libpq-dev librdkafka-dev libjansson-dev libmicrohttpd-dev libpcre2-dev libcriterion-dev libssl-dev libcurl4-openssl-dev libhiredis-dev"
  echo "postgresql-$version postgresql-$version-wal2json postgresql-client-$version"
  echo "redis-server python3-jsonschema kcat maven default-jre-headless openssl curl jq ca-certificates util-linux iproute2 nftables"
}

lint_packages() {
  echo "clang-format clang-tidy cppcheck shellcheck"
}

setup_package_is_there() {
  case $1 in
    # any Java that runs the broker will do, whoever packaged it
    default-jre-headless) command -v java >/dev/null ;;
    # it only fetches the broker's jars
    maven) kafka_is_installed || command -v mvn >/dev/null ;;
    clang-*) command -v "$1" >/dev/null ;;
    *) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
  esac
}

# Prints those of the packages named that are missing, on one line.
setup_missing() {
  local package missing=''
  for package in "$@"; do
    setup_package_is_there "$package" || missing+=" $package"
  done
  echo "${missing# }"
}

# Installing Debian's server package makes a cluster on port 5432 and starts it, unless this is said before. The line goes into the folder that the
# configuration of postgresql-common includes, so that the package finds no file of its own changed and has nothing to ask.
setup_forbid_system_cluster() {
  local folder=/etc/postgresql-common/createcluster.d
  mkdir -p "$folder"
  [ -e "$folder/cdc-relay-no-main-cluster.conf" ] || echo "create_main_cluster = false # by cdc-relay's ./dev setup" >"$folder/cdc-relay-no-main-cluster.conf"
}

# setup_install PACKAGE...: installs those that are missing.
setup_install() {
  local missing
  missing=$(setup_missing "$@")
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    say "missing packages: $missing"
    say "run this as root, then again what you ran:"
    say "  apt-get update && apt-get install --no-install-recommends $missing"
    return 1
  fi
  if ! command -v apt-get >/dev/null; then
    say "missing: $missing, and there is no apt-get here; see this list in tests/dev/setup.sh for what to install by other means"
    return 1
  fi
  say "installing: $missing"
  # shellcheck disable=SC2086
  (setup_apt_install $missing) || {
    say "could not install: $missing; the last lines of build/apt.log:"
    tail -n 20 "$ROOT/build/apt.log"
    return 1
  }
}

# In a subshell of its own, for its trap.
setup_apt_install() {
  local wait
  case " $* " in
    *" postgresql-"* | *" redis-server "*)
      setup_forbid_system_cluster
      # No package starts a service in this installation; the file is removed again, whatever happens.
      if [ ! -e /usr/sbin/policy-rc.d ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
      fi
      ;;
  esac
  for wait in 2 10 0; do
    if setup_apt update -qq && setup_apt install -qq -y --no-install-recommends -o Dpkg::Options::=--force-confold "$@"; then
      return 0
    fi
    [ $wait = 0 ] || sleep $wait
  done
  return 1
}

setup_apt() {
  DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -o DPkg::Lock::Timeout=120 "$@" >>"$ROOT/build/apt.log" 2>&1 </dev/null
}

# Copies the broker's jars into the folder that is kept between runs. Made elsewhere and renamed into place, so that a folder that exists is whole.
setup_kafka() {
  local libs folder wait
  libs=$(kafka_libs)
  ! kafka_is_installed || return 0
  say "fetching Apache Kafka $(kafka_version) from Maven Central into $libs (about 60 MB, once)"
  mkdir -p "$(dirname "$libs")"
  folder=$(mktemp -d "$libs.XXXXXX")
  for wait in 2 10 0; do
    if (cd "$ROOT/tests/kafka" && timeout 300 mvn -q -B dependency:copy-dependencies -DoutputDirectory="$folder" \
      -Dmaven.wagon.http.retryHandler.count=3) >"$ROOT/build/maven.log" 2>&1 </dev/null && [ -n "$(compgen -G "$folder/kafka_*.jar")" ]; then
      chmod 755 "$folder"
      mv -T "$folder" "$libs" 2>/dev/null || rm -rf "$folder" # somebody was quicker
      return 0
    fi
    [ $wait = 0 ] || sleep $wait
  done
  rm -rf "$folder"
  say "COULD NOT FETCH APACHE KAFKA from Maven Central; build/maven.log says:"
  grep -m 2 ERROR "$ROOT/build/maven.log" || tail -n 5 "$ROOT/build/maven.log"
  return 1
}

dev_setup() {
  local started=$SECONDS
  mkdir -p "$ROOT/build"
  # shellcheck disable=SC2046
  setup_install $(setup_packages)
  setup_kafka || say "without it, ./dev demo works; tests that need a real Kafka are skipped (with CI=true: fail)"
  [ "${1:-}" = quiet ] || say "everything is there ($((SECONDS - started)) s)"
}
