# shellcheck shell=bash disable=SC2034
# What Holdfast needs from Debian 12, named once; sourced by quickstart, tests/run and tests/bench/run.

build_packages=(
    gcc libc6-dev cmake ninja-build pkg-config
    libsqlite3-dev libcurl4-openssl-dev libssl-dev libexpat1-dev libinih-dev libzstd-dev
    libxxhash-dev libjansson-dev libmicrohttpd-dev
)
demo_packages=(sqlite3 zstd python3 ca-certificates)
test_packages=(
    git procps libcmocka-dev                                   # harness
    clang libclang-rt-14-dev clang-format clang-tidy llvm      # the second compiler, lints, fuzzing
    universal-ctags shellcheck valgrind libc6-dbg
    sqlite3 sqlite3-tools zstd xxhash python3 python3-botocore # oracles
    python3-cryptography python3-croniter tzdata restic
    prometheus chromium                                        # who scrapes it, who looks at it
    dpkg-dev python3-yaml
    strace mandoc openssl libfaketime iproute2
    ceph-mon ceph-osd ceph-common radosgw                      # real S3 servers
    swift-proxy swift-account swift-container swift-object memcached
)
image_packages=(buildah debootstrap crun)                       # builds docker/Dockerfile
bench_packages=(awscli time)

# Install those of the named packages that are not there.  Quiet, and without a question.
install_missing() {
    local name missing=() root=()
    if ! command -v dpkg-query >/dev/null; then
        echo "Not a Debian system: going on without installing $*" >&2
        return 0
    fi
    for name in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] ||
            missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    echo "Installing ${missing[*]}"
    "${root[@]}" apt-get -q update >/dev/null
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 install "${missing[@]}" >/dev/null
}
