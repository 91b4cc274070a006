#!/bin/sh
# What a newcomer does (tests/newcomer.py) on Debian and Ubuntu as they are installed: in a root of each
# system, made by debootstrap, first without the package python3-venv, then with it.
#
#     sudo tests/systems.sh FOLDER [bookworm trixie noble]     Python 3.11, 3.13, 3.12
#
# Takes what git has committed. A root that FOLDER has is used again. CERTIFICATES names a file of further
# authorities to trust; PORT is the demo's. Needs root, debootstrap, network.
set -eu
folder=$(realpath "$1")
shift
here=$(realpath "$(dirname "$0")/..")

inside() {
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive sh -euc "$1"
}

leave() {
    umount "$root/proc" "$root/dev" 2>/dev/null || true
}

for system in ${*:-bookworm trixie noble}; do
    root=$folder/$system
    case $system in
    noble | jammy) mirror=http://archive.ubuntu.com/ubuntu components=main,universe ;;
    *) mirror=http://deb.debian.org/debian components=main ;;
    esac
    [ -e "$root/usr/bin/python3" ] || debootstrap --variant=minbase --components=$components \
        --include=ca-certificates,curl,git,make,python3 "$system" "$root" $mirror
    mount -t proc proc "$root/proc"
    mount --bind /dev "$root/dev"
    trap leave EXIT
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    if [ -n "${CERTIFICATES:-}" ]; then
        cp "$CERTIFICATES" "$root/usr/local/share/ca-certificates/more.crt"
        inside update-ca-certificates >/dev/null 2>&1
        printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >"$root/etc/pip.conf"
    fi
    rm -rf "$root/src"
    git clone -q --no-hardlinks --single-branch "$here" "$root/src"
    inside 'apt-get purge -qq -y python3-venv "python3.[0-9]*-venv" >/dev/null 2>&1 || true'
    echo "$system, $(inside 'python3 --version'), $(inside 'uname -m')"
    if inside 'cd /src && make demo' >"$root/tmp/said" 2>&1; then
        echo "make demo works without python3-venv" && exit 1
    fi
    grep "apt install python3-venv" "$root/tmp/said" || { cat "$root/tmp/said"; exit 1; }
    inside 'apt-get update -qq && apt-get install -qq -y -o Dpkg::Use-Pty=0 python3-venv >/dev/null'
    inside "cd /src && python3 -m tests.newcomer --port=${PORT:-8888} python3"
    leave
    trap - EXIT
done
