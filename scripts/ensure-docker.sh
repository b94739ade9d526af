#!/usr/bin/env bash
# Brings a Docker engine and the base image to a Debian or Ubuntu machine that has none (CI, a fresh container host).
# Run as root. What is there already is left alone, so it may be run again at any time. One line per step.
#
#   TTG_APT_MIRROR      archive URL for debootstrap; default: debootstrap's own
#   TTG_BASE_IMAGE      image to provide; default debian:trixie-slim (another name is pulled or complained about)
#   TTG_PULL_TIMEOUT    seconds to try a registry before making the image here; default 60, 0: do not try
set -euo pipefail

BASE_IMAGE=${TTG_BASE_IMAGE:-debian:trixie-slim}
PULL_TIMEOUT=${TTG_PULL_TIMEOUT:-60}
LOG=/var/log/ttg-dockerd.log
export DEBIAN_FRONTEND=noninteractive

say() { echo "ensure-docker: $*"; }
die() {
    echo "ensure-docker: $*" >&2
    exit 1
}

engine_answers() { timeout 10 docker version --format '{{.Server.Version}}' > /dev/null 2>&1; }

require_apt_and_root() {
    command -v apt-get > /dev/null || die "this host is not Debian or Ubuntu; install Docker by its own means, then run this again"
    [ "$(id -u)" -eq 0 ] || die "$1; run this as root"
}

UPDATED=
install_packages() {
    require_apt_and_root "cannot install $*"
    if [ -z "$UPDATED" ]; then
        apt-get update -qq || die "apt-get update failed; check the network and the package sources"
        UPDATED=1
    fi
    apt-get install -y -qq --no-install-recommends "$@" > /dev/null || die "apt-get could not install $*"
}

install_engine() {
    local packages=()
    command -v dockerd > /dev/null || packages+=(docker.io)
    # Since Debian 13 the client is a package of its own.
    if ! command -v docker > /dev/null; then
        packages+=(docker.io)
        [ -n "$UPDATED" ] || { require_apt_and_root "cannot install docker" && apt-get update -qq && UPDATED=1; }
        if [ -n "$(apt-cache madison docker-cli 2> /dev/null)" ]; then packages+=(docker-cli); fi
    fi
    command -v iptables > /dev/null || packages+=(iptables)
    [ ${#packages[@]} -gt 0 ] || return 0
    say "installing ${packages[*]}"
    install_packages "${packages[@]}" ca-certificates
}

# True when a dockerd that is on its way up (started by its package, say) answers in the end. One that lives and stays
# silent is not to be meddled with: a second one would take its network away.
await_running_engine() {
    if [ ! -f /var/run/docker.pid ]; then return 1; fi
    local pid
    pid=$(cat /var/run/docker.pid)
    for _ in $(seq 60); do
        if engine_answers; then return 0; fi
        if ! kill -0 "$pid" 2> /dev/null; then
            # Left behind by one that died; the next would trip over it.
            rm -f /var/run/docker.pid
            return 1
        fi
        sleep 0.5
    done
    die "a dockerd (process $pid) runs but does not answer; look at its log, or stop it and run this again"
}

# dockerd that outlives this script; true once it answers.
start_engine() {
    setsid nohup dockerd "$@" >> "$LOG" 2>&1 < /dev/null &
    local pid=$!
    for _ in $(seq 120); do
        if engine_answers; then return 0; fi
        kill -0 "$pid" 2> /dev/null || return 1
        sleep 0.5
    done
    kill "$pid" 2> /dev/null || true
    wait "$pid" 2> /dev/null || true
    return 1
}

mount_cgroups() {
    # A bare container or micro-VM may come without any; dockerd refuses to start then.
    if ! mountpoint -q /sys/fs/cgroup && [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
        say "mounting control groups"
        mount -t cgroup2 cgroup2 /sys/fs/cgroup 2> /dev/null || say "control groups could not be mounted; limits may not work"
    fi
}

ensure_engine() {
    if command -v docker > /dev/null && engine_answers; then
        say "engine $(docker version --format '{{.Server.Version}}') answers"
        return
    fi
    [ -z "${DOCKER_HOST:-}" ] || die "no engine answers at DOCKER_HOST=$DOCKER_HOST; start that one, or unset it"
    require_apt_and_root "no engine answers"
    install_engine
    if [ -d /run/systemd/system ]; then systemctl start docker 2> /dev/null || true; fi
    if engine_answers || await_running_engine; then
        say "engine $(docker version --format '{{.Server.Version}}') answers, started by this host's own service"
        return
    fi
    mount_cgroups
    say "starting dockerd (log: $LOG)"
    if ! start_engine; then
        await_running_engine || true
        say "dockerd did not start with a bridge network; trying without (builds then use the host's network)"
        start_engine --iptables=false --ip6tables=false --bridge=none || {
            tail -n 15 "$LOG" >&2
            die "dockerd does not start; this host may not allow containers (see the lines above)"
        }
    fi
    say "engine $(docker version --format '{{.Server.Version}}') answers"
}

# debootstrap's minimal system, without what a slim image leaves out; the engine imports it as a single layer.
make_base_image() {
    local missing=() root
    command -v debootstrap > /dev/null || missing+=(debootstrap)
    [ -f /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
    if [ ${#missing[@]} -gt 0 ]; then
        say "installing ${missing[*]}"
        install_packages "${missing[@]}"
    fi
    require_apt_and_root "debootstrap cannot run"
    # Older releases of debootstrap do not know trixie; it is made like sid.
    [ -e /usr/share/debootstrap/scripts/trixie ] || ln -s sid /usr/share/debootstrap/scripts/trixie
    root=$(mktemp -d /var/tmp/ttg-trixie.XXXXXX)
    # shellcheck disable=SC2064  # the path as it is now
    trap "rm -rf --one-file-system '$root'" EXIT
    say "making $BASE_IMAGE with debootstrap (a minute or two)"
    debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg trixie "$root" \
        ${TTG_APT_MIRROR:+"$TTG_APT_MIRROR"} > /var/log/ttg-debootstrap.log 2>&1 || {
        tail -n 15 /var/log/ttg-debootstrap.log >&2
        die "debootstrap failed; with a mirror of your own set TTG_APT_MIRROR"
    }
    find "$root/usr/share/doc" -type f ! -name copyright -delete
    find "$root/usr/share/doc" -xtype l -delete
    find "$root/usr/share/doc" -mindepth 1 -type d -empty -delete
    rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/log/*.log "$root"/var/log/apt \
        "$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/usr/share/locale/* "$root"/etc/hostname \
        "$root"/etc/resolv.conf
    tar -C "$root" --numeric-owner --one-file-system -c . \
        | docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
            --change 'CMD ["bash"]' - "$BASE_IMAGE" > /dev/null
    say "$BASE_IMAGE made"
}

ensure_base_image() {
    if docker image inspect "$BASE_IMAGE" > /dev/null 2>&1; then
        say "$BASE_IMAGE is there"
        return
    fi
    if [ "$PULL_TIMEOUT" -gt 0 ]; then
        say "pulling $BASE_IMAGE (at most $PULL_TIMEOUT s)"
        if timeout "$PULL_TIMEOUT" docker pull -q "$BASE_IMAGE" > /dev/null 2>&1; then
            say "$BASE_IMAGE pulled"
            return
        fi
        say "no registry gave it"
    fi
    [ "$BASE_IMAGE" = debian:trixie-slim ] || die "$BASE_IMAGE cannot be pulled, and only debian:trixie-slim can be made here"
    make_base_image
}

ensure_engine
ensure_base_image
say "ready"
